"""The history: everything that was observed while faults happened, in memory and as one JSON line each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from leveret.core.events import Event
from leveret.core.prediction import Status

Output: TypeAlias = int | str | list[int] | None


class Accepted(Struct, frozen=True, tag="accepted"):
    """A submission was answered with 201 or 202: from now on this prediction must end well, unless it is canceled."""

    at: float
    id: str
    model: str
    expected: Output
    confirmed: bool = True


class Refused(Struct, frozen=True, tag="refused"):
    """A request was not served: an HTTP status, or 0 where the connection broke."""

    at: float
    what: str
    code: int
    text: str = ""


class Polled(Struct, frozen=True, tag="polled"):
    """A prediction as an answer showed it. `by` says what was asked: get, wait or cancel."""

    asked: float
    at: float
    by: str
    id: str
    status: Status
    attempt: int
    output: Output = None


class Seen(Struct, frozen=True, tag="seen"):
    """One event of a stream. A stream that begins anew, behind the last number, has another `stream`."""

    at: float
    id: str
    stream: int
    number: int
    event: Event


class Ran(Struct, frozen=True, tag="ran"):
    """What a model wrote down itself: it has begun this run, or come to its end."""

    at: float
    id: str
    attempt: int
    process: int
    ended: bool = False


class Struck(Struct, frozen=True, tag="struck"):
    """A fault was done, or (`healed`) undone. `missed` says why it could not be."""

    at: float
    fault: str
    part: str
    seconds: float
    healed: bool = False
    missed: str = ""


class Kept(Struct, frozen=True, tag="kept"):
    """A record of the store and its log, when all was quiet."""

    id: str
    model: str
    status: Status
    attempt: int
    log: list[Event]
    output: Output = None
    error: str | None = None


class Remains(Struct, frozen=True, tag="remains"):
    """What store and broker still held when all was quiet, or when nobody would wait any longer.

    `queues` has the queues that are not empty; `unfinished` the messages on a rung whose predictions have not ended.
    """

    quiet: bool
    outstanding: int = 0
    outbox: int = 0
    waiting: int = 0
    leases: int = 0
    queues: Mapping[str, int] = field(default_factory=dict)
    unfinished: list[str] = []


Observation: TypeAlias = Accepted | Refused | Polled | Seen | Ran | Struck | Kept | Remains
O_co = TypeVar("O_co", bound=Struct, covariant=True)

_encoder = msgspec.json.Encoder()
_output_decoder: msgspec.json.Decoder[Output] = msgspec.json.Decoder(Output)
_decoder: msgspec.json.Decoder[Observation] = msgspec.json.Decoder(Observation)


class History:
    """The observations in the order in which they came in. With a path they are written there too, at once."""

    def __init__(self, *observations: Observation, path: Path | None = None) -> None:
        self._observations = list(observations)
        self._file = None if path is None else path.open("ab", buffering=0)

    @classmethod
    def read(cls, path: Path) -> History:
        """What was written there."""
        return cls(*[_decoder.decode(line) for line in path.read_bytes().splitlines()])

    def add(self, observation: Observation) -> None:
        self._observations.append(observation)
        if self._file is not None:
            self._file.write(_encoder.encode(observation) + b"\n")

    @property
    def all(self) -> list[Observation]:
        return list(self._observations)

    def of(self, kind: type[O_co]) -> list[O_co]:
        """All of one kind."""
        return [one for one in self._observations if isinstance(one, kind)]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def now() -> float:
    return time.time()


def output(value: Raw) -> Output:
    """The output of a model of ours."""
    return _output_decoder.decode(value)
