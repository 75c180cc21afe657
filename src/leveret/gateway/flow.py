"""The flow: what a gateway has learned of how fast one model's predictions move, and what follows for one of them."""

from __future__ import annotations

import math
from typing import Final

from leveret.core.lanes import COUNT
from leveret.core.line import Line, ahead

MEMORY: Final = 20.0
"""How long what was seen counts, in seconds..."""

FEWEST: Final = 10.0
"""... but that of so many runs, however long ago they were."""

RECENT: Final = 2.0
"""How long it counts how fast lanes are entered and left, in seconds."""

TRUST: Final = 5.0
"""So many runs counts what slots would do with the mean run: nothing else is known until they are full."""

_SHORTEST: Final = 1e-4
"""No run is reckoned to be shorter than this, in seconds."""

_HALF: Final = 0.5
"""How much of its run lies before what runs on average; assumed as well of one that takes longer than the others."""


class Mean:
    """How long something takes on average, of what was seen lately."""

    def __init__(self, count: float = 0.0, seconds: float = 0.0) -> None:
        self.count = count
        self.seconds = seconds

    def add(self, count: float, seconds: float, *, passed: float) -> None:
        """So many more took so long together; the last time something was added was `passed` seconds ago."""
        kept = max(self.count * math.exp(-passed / MEMORY), min(self.count, FEWEST))
        scale = kept / self.count if self.count else 1.0
        self.count = kept + count
        self.seconds = self.seconds * scale + seconds


class Flow:
    """Learns from the model's line as it is seen time after time. `at` is on a clock that only goes forward.

    What can be served is learned while some wait or every slot is taken; at other times it is how much there was to do.
    """

    def __init__(self, line: Line, *, at: float) -> None:
        self._line = line
        self._at = at
        self._entered = list(line.entered)
        self._runs = Mean(1.0, line.seconds / line.ended) if line.ended else Mean()
        self._busy = Mean()
        self._leaving = [0.0] * COUNT
        self._full = self._waited = any(line.waiting)
        self._rates: dict[int, float] = {}

    def leads_to(self, line: Line) -> bool:
        """Whether the line can have become this one: the store may have been emptied."""
        return line.ended >= self._line.ended and sum(line.entered) >= sum(self._line.entered)

    def learn(self, line: Line, *, at: float, slots: int) -> None:
        """The line is this now, and so many slots there are."""
        passed, ended = at - self._at, line.ended - self._line.ended
        self._runs.add(ended, line.seconds - self._line.seconds, passed=passed)
        full = any(line.waiting) or line.running >= slots > 0
        if self._full and full:
            self._busy.add(ended, passed, passed=passed)
        fresh = 1 - math.exp(-passed / RECENT)
        for lane in range(COUNT):
            left = line.left[lane] - self._line.left[lane]
            self._leaving[lane] += fresh * (left / passed - self._leaving[lane])
        self._line, self._at, self._entered = line, at, list(line.entered)
        self._full, self._waited = full, any(line.waiting)
        self._rates.clear()

    def position(self, lane: int, ticket: int, *, at: float, slots: int) -> float:
        """How many will begin before the one with this ticket, at this time; without a ticket all of the lane.

        Since the line was seen as many have entered as the highest ticket says. If some waited then, lanes have been
        left as fast as before, otherwise by everybody for whom there was a slot.
        """
        self._entered[lane] = max(self._entered[lane], ticket)
        passed = at - self._at
        if self._waited or not slots:
            gone = [count + speed * passed for count, speed in zip(self._line.left, self._leaving, strict=True)]
        else:
            freed = self._rate(slots) * passed if self._runs.count else 0.0
            begun = max(0, slots - self._line.running) + freed
            gone = [count + begun for count in self._line.left]
        waiting = [max(0.0, came - left) for came, left in zip(self._entered, gone, strict=True)]
        return ahead(waiting, lane, max(0.0, ticket - 1 - gone[lane]) if ticket else waiting[lane])

    def until_ended(self, position: float, *, slots: int) -> float | None:
        """In how many seconds the one will have ended that has this position; None while no run has ended yet."""
        if not self._runs.count:
            return None
        rate = self._rate(slots)
        return max(self._alone(slots), (self._line.running + _HALF + position) / rate)

    def until_begun(self, position: float, *, slots: int) -> float | None:
        """In how many seconds the one will begin that has this position; None while no run has ended yet."""
        ended = self.until_ended(position, slots=slots)
        return None if ended is None else max(0.0, ended - self._alone(slots))

    def until_done(self, elapsed: float, progress: float | None, *, slots: int) -> float | None:
        """In how many seconds the run will have ended that has gone on for so long and says it is so far."""
        if progress:
            return elapsed * (1 - progress) / progress
        if not self._runs.count:
            return None
        run = self._alone(slots)
        return run - elapsed if elapsed < run else _HALF * run

    @property
    def run(self) -> float | None:
        """How long a run takes, in seconds; None while no run has ended yet."""
        return self._runs.seconds / self._runs.count if self._runs.count else None

    @property
    def _run(self) -> float:
        return self.run or 0.0

    def _alone(self, slots: int) -> float:
        """How long a run takes for which there is a slot: those of a fast model wait in the hand of a busy worker."""
        return min(self._run, slots / self._rate(slots))

    def _rate(self, slots: int) -> float:
        """How many can end in a second."""
        rate = self._rates.get(slots)
        if rate is None:
            expected = TRUST * max(self._run, _SHORTEST) / slots
            rate = self._rates[slots] = (self._busy.count + TRUST) / (self._busy.seconds + expected)
        return rate
