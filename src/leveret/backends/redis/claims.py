"""The answers of claim.lua: what became of each claim, and what has to be ended because it is not run again."""

from __future__ import annotations

from typing import Final

from leveret.backends.redis.connection import Reply
from leveret.core.events import Canceled, Failed
from leveret.core.ports import Busy, Claim, Claimed, Early, Finished
from leveret.core.prediction import Means
from leveret.core.retry import LOST_WORKER, NO_RUN_LEFT, exhausted
from leveret.errors import StoreUnavailable

MISSING: Final = -2
"""The answer of claim.lua and cancel.lua when there is no such record."""

_ENDED: Final = 0
_BUSY: Final = -1
_CANCELED_WAITING: Final = -3
_CANCELED_LOST: Final = -4
_SPENT_WAITING: Final = -5
_SPENT_LOST: Final = -6


def claim(answer: Reply) -> Claim:
    """What became of the claim."""
    match answer:
        case [int(attempt), int(charged), bytes(suspect)]:
            return Claimed(attempt, charged, suspect.decode())
        case int(number) if number == _BUSY:
            return Busy()
        case int(number) if number in (_ENDED, _CANCELED_WAITING, _CANCELED_LOST):
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
        case int(number) if number == _CANCELED_WAITING:
            return Canceled(at, stopped=Means.NOT_BEGUN)
        case int(number) if number == _CANCELED_LOST:
            return Canceled(at, error=LOST_WORKER)
        case [int(number), int(attempt), int(charged)] if most is not None:
            cause = LOST_WORKER if number == _SPENT_LOST else NO_RUN_LEFT
            return exhausted(cause, at=at, attempt=attempt, charged=charged, max_attempts=most)
        case _:
            return None
