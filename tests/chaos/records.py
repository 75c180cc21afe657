"""The records of the store, as they stand in Redis: what is kept, and what is left to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
import redis
from msgspec import Raw, Struct

from leveret.backends.redis.keys import Keys
from leveret.core import events, wire
from leveret.core.events import Event, Reset
from leveret.core.prediction import Status
from tests.chaos.history import Kept, Output, output

NAMESPACE: Final = "leveret"


class Left(Struct, frozen=True):
    """How much the store has left to do, by what it counts."""

    outstanding: int
    outbox: int
    waiting: int
    leases: int


class Records:
    """Looks into a Redis that Leveret uses. Raises RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._keys = Keys(NAMESPACE)

    @classmethod
    @contextmanager
    def at(cls, url: str) -> Iterator[Records]:
        with redis.Redis.from_url(url) as client:
            yield cls(client)

    def left(self) -> Left:
        keys, client = self._keys, self._client
        return Left(
            outstanding=client.hlen(keys.outstanding),
            outbox=client.zcard(keys.outbox),
            waiting=client.zcard(keys.waiting),
            leases=client.zcard(keys.leases),
        )

    def ended(self, prediction_id: str) -> bool:
        """Whether it needs a message no more."""
        status = self._client.hget(self._keys.record(prediction_id), "status")
        return status is not None and Status(_text(status)).terminal

    def all(self) -> Iterator[Kept]:
        """Every prediction there is."""
        for key in self._client.scan_iter(self._keys.record("*"), count=1000):
            yield self._kept(_text(key).rpartition(":")[2])

    def _kept(self, prediction_id: str) -> Kept:
        fields = {
            _text(name): _bytes(value) for name, value in self._client.hgetall(self._keys.record(prediction_id)).items()
        }
        log = [events.decode(_bytes(data)) for data in self._client.lrange(self._keys.log(prediction_id), 0, -1)]
        submitted = wire.decode(fields["spec"])
        return Kept(
            id=prediction_id,
            model=submitted.model,
            status=Status(fields["status"].decode()),
            attempt=int(fields["attempt"]),
            log=log,
            output=output(Raw(fields["output"])) if "output" in fields else _streamed(log),
            error=fields["error"].decode() if "error" in fields else None,
        )


def _streamed(log: Sequence[Event]) -> Output:
    """What the last run has put out bit by bit, which stands only in the log, whatever else that says."""
    chunks: list[int] | None = None
    for event in log:
        match event:
            case events.Output(chunks=some):
                chunks = (chunks or []) + [msgspec.json.decode(chunk, type=int) for chunk in some]
            case Reset():
                chunks = None
            case _:
                pass
    return chunks


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
