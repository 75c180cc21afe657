"""Claims: what the answers of claim.lua say, and how that ends which shall not be run any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from leveret.backends.redis.commands import LOST_WORKER
from leveret.backends.redis.connection import Reply
from leveret.core import deadlines
from leveret.core.events import Canceled
from leveret.core.ports import Busy, Claim, Claimed, Finished
from leveret.core.prediction import Means
from leveret.errors import StoreUnavailable

MISSING: Final = -2
"""The answer when there is no such record; that of cancel.lua too."""

_ENDED: Final = 0
_BUSY: Final = -1

_REFUSED: Final[Mapping[int, Canceled]] = {
    -3: Canceled(0.0, stopped=Means.NOT_BEGUN),
    -4: Canceled(0.0, error=LOST_WORKER),
    -5: Canceled(0.0, error=deadlines.BEFORE_IT_STARTED, stopped=Means.NOT_BEGUN),
    -6: Canceled(0.0, error=deadlines.BEFORE_IT_RAN_AGAIN, stopped=Means.NOT_BEGUN),
    -7: Canceled(0.0, error=deadlines.WHILE_IT_RAN),
}
"""The answers when there shall be no other run, and the end of each, but for when that is."""


def claim(answer: Reply) -> Claim:
    """What the worker gets."""
    match answer:
        case [int(attempt), int(charged)]:
            return Claimed(attempt, charged)
        case int(number) if number == _BUSY:
            return Busy()
        case int(number) if number == _ENDED or number in _REFUSED:
            return Finished()
        case _:
            raise StoreUnavailable(reason="the record could not be rebuilt")


def refusal(answer: Reply, *, at: float) -> Canceled | None:
    """The end of what shall not be run any more."""
    refused = _REFUSED.get(answer) if isinstance(answer, int) else None
    return None if refused is None else Canceled(at, error=refused.error, stopped=refused.stopped)
