"""The answers of claim.lua: what became of each claim, and what has to be ended because it is not run again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from leveret.backends.redis.connection import Reply
from leveret.core import deadlines
from leveret.core.events import Canceled, Failed
from leveret.core.ports import Busy, Claim, Claimed, Early, Finished
from leveret.core.prediction import Means
from leveret.core.retry import LOST_WORKER, NO_RUN_LEFT, exhausted
from leveret.errors import StoreUnavailable

MISSING: Final = -2
"""The answer of claim.lua and cancel.lua when there is no such record."""

_ENDED: Final = 0
_BUSY: Final = -1
_SPENT_LOST: Final = -6

_REFUSED: Final[Mapping[int, Canceled]] = {
    -3: Canceled(0.0, stopped=Means.NOT_BEGUN),
    -4: Canceled(0.0, error=LOST_WORKER),
    -8: Canceled(0.0, error=deadlines.BEFORE_IT_STARTED, stopped=Means.NOT_BEGUN),
    -9: Canceled(0.0, error=deadlines.BEFORE_IT_RAN_AGAIN, stopped=Means.NOT_BEGUN),
    -10: Canceled(0.0, error=deadlines.WHILE_IT_RAN),
}
"""The answers when it is not wanted any more, and the end of each, but for when that is."""


def claim(answer: Reply) -> Claim:
    """What became of the claim."""
    match answer:
        case [int(attempt), int(charged), bytes(suspect)]:
            return Claimed(attempt, charged, suspect.decode())
        case int(number) if number == _BUSY:
            return Busy()
        case int(number) if number == _ENDED or number in _REFUSED:
            return Finished()
        case [int(), int(), int()]:
            return Finished()
        case [int(), int(milliseconds)]:
            return Early(milliseconds / 1000)
        case _:
            raise StoreUnavailable(reason="the record could not be rebuilt")


def ending(answer: Reply, *, at: float, most: int | None) -> Canceled | Failed | None:
    """With what the prediction ends now, if this is the answer to its claim."""
    match answer:
        case int(number) if (refused := _REFUSED.get(number)) is not None:
            return Canceled(at, error=refused.error, stopped=refused.stopped)
        case [int(number), int(attempt), int(charged)] if most is not None:
            cause = LOST_WORKER if number == _SPENT_LOST else NO_RUN_LEFT
            return exhausted(cause, at=at, attempt=attempt, charged=charged, max_attempts=most)
        case _:
            return None
