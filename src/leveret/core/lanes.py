"""Lanes: four queues per model, by which a burst of one account delays mostly itself.

An account's prediction goes into a worse lane the more the account already has outstanding, and workers serve
the non-empty lanes by weight. The idea is that of rank-bucket packet schedulers; it costs O(1) per prediction.
A priority moves a prediction among those of its account: with what is outstanding it stays in reach of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from leveret.core.prediction import Priority

COUNT: Final = 4
WEIGHTS: Final = (8, 4, 2, 1)
THRESHOLDS: Final = (2, 8, 32)
"""An account with fewer outstanding than the n-th goes into lane n, otherwise into the last."""

_LOW: Final = (0, 0, 32)
_HIGH: Final = (8, 8, 32)


def thresholds(priority: Priority) -> tuple[int, ...]:
    """The thresholds for a priority: low is never better than lane 2, high is lane 0 while fewer than 8 are there."""
    match priority:
        case Priority.LOW:
            return _LOW
        case Priority.NORMAL:
            return THRESHOLDS
        case Priority.HIGH:
            return _HIGH


def lane_for(outstanding: int, weight: float = 1.0, *, priority: Priority = Priority.NORMAL) -> int:
    """The lane for an account that has `outstanding` predictions before this one."""
    rank = outstanding / weight
    return sum(rank >= threshold for threshold in thresholds(priority))


class Rota:
    """Smooth weighted round robin over the lanes that have something (the algorithm of nginx's upstreams)."""

    def __init__(self, weights: Sequence[int] = WEIGHTS) -> None:
        self._weights = weights
        self._credit = [0] * len(weights)

    def pick(self, ready: Sequence[int]) -> int:
        """One of the lanes in `ready`, which may not be empty."""
        if len(ready) == 1:
            return ready[0]
        total = 0
        for lane in ready:
            self._credit[lane] += self._weights[lane]
            total += self._weights[lane]
        chosen = max(ready, key=self._credit.__getitem__)
        self._credit[chosen] -= total
        return chosen
