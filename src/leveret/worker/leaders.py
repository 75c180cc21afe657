"""Leaders: which of a batch are to be run, where other predictions may have asked for the same."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct, field

from leveret.core.events import Report, Succeeded
from leveret.core.ports import Running, Runs
from leveret.core.prediction import Prediction
from leveret.core.reuse import Defaults
from leveret.reuse import Leading, Reuse, pause
from leveret.worker.frames import Ready
from leveret.worker.hand import Held


class LedRuns(Runs, Leading, Protocol):
    """What a worker needs of the store."""


class Sorted(Struct):
    """`leading` are to be run, `led` can have the output of another one, `waiting` are looked at after a delay."""

    leading: list[Held] = field(default_factory=list)
    led: list[tuple[Held, Prediction]] = field(default_factory=list)
    waiting: list[tuple[Held, float]] = field(default_factory=list)


class Leaders:
    """Sorts what a worker has taken; a worker has one model, and so one schema."""

    def __init__(self, reuse: Reuse) -> None:
        self._reuse = reuse
        self._schema = b""
        self._defaults = Defaults(b"{}")

    async def sort(self, batch: Sequence[Held], ready: Ready) -> Sorted:
        """One after the other: the first of several that ask for the same leads."""
        if ready.input_schema is not self._schema:
            self._schema, self._defaults = ready.input_schema, Defaults(ready.input_schema)
        found = Sorted()
        for held in batch:
            leader = None if held.double else await self._leader(held.prediction, ready)
            if leader is None:
                found.leading.append(held)
            elif leader.status.terminal:
                found.led.append((held, leader))
            else:
                found.waiting.append((held, pause(leader, at=time.time())))
        return found

    async def copied(self, leader: Prediction, run: Running, *, streams: bool) -> tuple[list[Report], Succeeded]:
        """See leveret.reuse.Reuse."""
        return await self._reuse.copied(leader, run, streams=streams)

    async def _leader(self, prediction: Prediction, ready: Ready) -> Prediction | None:
        return await self._reuse.leader(prediction, self._defaults, lifetime=ready.reuse or 0.0)
