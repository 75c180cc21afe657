"""The clock: how long the calls take that a model process is in the middle of, and an end for those that overrun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from leveret.core.outcome import HandedBack, Outcome, Overran
from leveret.core.ports import Running
from leveret.core.prediction import Means

Stop: TypeAlias = Callable[[int, Means], None]
"""Stops the call of this number by these means."""

TOGETHER: Final = HandedBack("the call that it shared with others took longer than the timeout; it runs again alone")
BESIDE: Final = HandedBack("its model process was ended because another run took longer than its timeout")

_FROM_GENTLE_TO_RUDE: Final = {None: Means.INTERRUPTED, Means.INTERRUPTED: Means.TERMINATED}


class _Call:
    """A call of the model that goes on. `means` is what was done to stop it, None while it is in time."""

    __slots__ = ("means", "number", "runs", "timer")

    def __init__(self, number: int, runs: Sequence[Running]) -> None:
        self.number = number
        self.runs = runs
        self.means: Means | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def forced(self) -> bool:
        """Whether its process was ended for it."""
        return self.means not in {None, Means.INTERRUPTED}


class Clock:
    """Measures each call from its `begin` until one of its runs has ended, or begins again in another call.

    One that takes longer than `timeout` is interrupted, terminated `grace` seconds later, and killed as long again
    after that.
    """

    def __init__(self, *, timeout: float, grace: float, stop: Stop) -> None:
        self._timeout = timeout
        self._grace = grace
        self._stop = stop
        self._calls: dict[Running, _Call] = {}

    def begin(self, number: int, runs: Sequence[Running]) -> None:
        """The process says that it begins this call."""
        for run in runs:
            self.end(run)
        call = _Call(number, runs)
        self._calls.update(dict.fromkeys(runs, call))
        self._wait(call, self._timeout)

    def end(self, run: Running) -> None:
        """The run has ended, and with it the call that it was in."""
        call = self._calls.get(run)
        if call is None:
            return
        if call.timer is not None:
            call.timer.cancel()
        for one in call.runs:
            self._calls.pop(one, None)

    def outcome(self, run: Running) -> Outcome | None:
        """How this run ends if its process has ended now; None if no timeout has to do with it."""
        call = self._calls.get(run)
        if call is not None and call.means is not None and len(call.runs) == 1:
            return Overran(self._timeout, call.means)
        if call is not None and call.forced:
            return TOGETHER
        return BESIDE if any(other.forced for other in self._calls.values()) else None

    def _wait(self, call: _Call, seconds: float) -> None:
        call.timer = asyncio.get_running_loop().call_later(seconds, self._ring, call)

    def _ring(self, call: _Call) -> None:
        call.means = _FROM_GENTLE_TO_RUDE.get(call.means, Means.KILLED)
        self._stop(call.number, call.means)
        if call.means is not Means.KILLED:
            self._wait(call, self._grace)
