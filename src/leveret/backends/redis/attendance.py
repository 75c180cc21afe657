"""The attendance: which workers are alive, and how much each of them runs, made of what Redis keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from leveret.backends.redis import replies
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.keys import Keys
from leveret.core.card import Present

_MOST: Final = 10_000
"""How many runs are looked at to say who has them."""


class RedisAttendance:
    """Implements core.ports.Attendance."""

    def __init__(self, *, batcher: Batcher, keys: Keys) -> None:
        self._batcher = batcher
        self._keys = keys

    async def present(self) -> list[Present]:
        """See core.ports.Attendance."""
        keys = self._keys
        time, members, problems, runs = await self._batcher.send(
            [
                ("TIME",),
                ("ZRANGE", keys.presence, 0, -1, "WITHSCORES"),
                ("HGETALL", keys.problems),
                ("ZRANGE", keys.leases, 0, _MOST - 1),
            ]
        )
        now = float(replies.strings(time)[0])
        until = {member: float(score) / 1000 for member, score in replies.mapping(members).items()}
        running = await self._running([one.decode() for one in replies.strings(runs)])
        why = replies.mapping(problems)
        return [
            _present(member, until[member], why.get(member), running) for member in sorted(until) if until[member] > now
        ]

    async def _running(self, prediction_ids: list[str]) -> Mapping[str, int]:
        """How many of these each worker has, by "model worker"."""
        if not prediction_ids:
            return {}
        answers = await self._batcher.send(
            [("HMGET", self._keys.record(one), "owner", "worker") for one in prediction_ids]
        )
        found: Counter[str] = Counter()
        for answer in answers:
            match replies.array(answer):
                case [bytes(owner), bytes(worker)]:
                    found[f"{owner.decode().partition(' ')[0]} {worker.decode()}"] += 1
        return found


def _present(member: bytes, expires_at: float, problem: bytes | None, running: Mapping[str, int]) -> Present:
    name = member.decode()
    model, _, worker = name.partition(" ")
    return Present(
        model=model,
        worker=worker,
        expires_at=expires_at,
        problem=None if problem is None else problem.decode(),
        running=running.get(name, 0),
    )
