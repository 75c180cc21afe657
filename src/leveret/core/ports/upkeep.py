"""What the sweeper finds: what a crash left behind, what is owed, and what was kept long enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from leveret.core.prediction import Prediction


class Waiting(Struct, frozen=True):
    """A prediction that should have a message in this lane."""

    id: str
    model: str
    lane: int


class Upkeep(Protocol):
    """What the sweeper needs of the store. What is answered is not answered to anyone again for `hold` seconds."""

    async def unpublished(self, *, age: float, hold: float, limit: int) -> list[Prediction]:
        """Predictions created more than `age` seconds ago whose publish was never confirmed."""
        ...

    async def published(self, prediction_ids: Sequence[str]) -> None:
        """Their publish was confirmed: clear their outbox entries."""

    async def lapsed(self, *, hold: float, limit: int) -> list[Prediction]:
        """Predictions whose run's lease has expired: they need a message again."""
        ...

    async def overdue(self, *, hold: float, limit: int) -> list[Prediction]:
        """Predictions that have not ended although a deadline has passed."""
        ...

    async def waiting(self, *, age: float, hold: float, limit: int) -> list[Waiting]:
        """What was queued more than `age` seconds ago and has not begun; has it still its message?

        A store that keeps the queues too answers none: what it says is queued is.
        """
        ...

    async def unbegun(self, prediction_ids: Sequence[str]) -> list[Prediction]:
        """Those of these predictions that have neither begun nor ended."""
        ...


class Expiry(Protocol):
    """What goes when its time is over. Every call may be repeated. Blobs go first: then nobody has to remember them."""

    async def outlived(self, *, hold: float, limit: int) -> list[Prediction]:
        """What has ended and whose data is due to be removed, or whose record is if that has been (`data_removed`).

        It is not answered to anyone again for `hold` seconds.
        """
        ...

    async def remove_data(self, predictions: Sequence[Prediction]) -> None:
        """Of these, which have ended, remove input, output, logs and events. Their dead letters stay."""

    async def remove_records(self, predictions: Sequence[Prediction]) -> None:
        """Remove the records of these, and what `once` has remembered of them."""


class Replies(Protocol):
    """Which replies are owed. A change that ends a prediction with `reply_to` notes it in the same transaction."""

    async def unreplied(self, *, age: float, hold: float, limit: int) -> list[str]:
        """The ids of those that ended more than `age` seconds ago; none is answered again for `hold` seconds."""
        ...

    async def replied(self, prediction_ids: Sequence[str]) -> None:
        """Nothing is owed for these any more."""
