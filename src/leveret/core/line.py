"""The line: how a model's predictions wait and run, as counts, and how many of them are in front of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from leveret.core.lanes import COUNT, WEIGHTS

_NONE: Final = (0,) * COUNT
_SHARES: Final = tuple(
    tuple(weight / own if other != lane else 0.0 for other, weight in enumerate(WEIGHTS))
    for lane, own in enumerate(WEIGHTS)
)
"""For each lane, how many every other lane gives while it gives one."""


class Line(Struct, frozen=True, kw_only=True):
    """How many of one model's predictions have come and gone, ever; these numbers only grow.

    `entered` and `left` are of each lane: a run that is reset enters again, and whatever begins or ends leaves. `quit`
    is how many have left without a run. `ended` runs took `seconds` together, however they ended.
    """

    entered: tuple[int, ...] = _NONE
    left: tuple[int, ...] = _NONE
    quit: int = 0
    ended: int = 0
    seconds: float = 0.0

    @property
    def waiting(self) -> tuple[int, ...]:
        """How many wait in each lane, those included whose next run is delayed."""
        return tuple([max(0, entered - left) for entered, left in zip(self.entered, self.left, strict=True)])

    @property
    def running(self) -> int:
        """How many runs go on."""
        return max(0, sum(self.left) - self.quit - self.ended)


def ahead(waiting: Sequence[float], lane: int, rank: float) -> float:
    """How many will begin before the one that has `rank` others in front of it in this lane, if none is added.

    Until its turn every other lane gives as many as it has, or as its weight allows.
    """
    turns = rank + 1
    return rank + sum([min(count, turns * share) for count, share in zip(waiting, _SHARES[lane], strict=True)])
