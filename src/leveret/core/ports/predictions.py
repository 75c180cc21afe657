"""The predictions, as the gateway creates, finds, follows, cancels and ends them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from msgspec import Struct

from leveret.core.events import Canceled, Entry, Failed
from leveret.core.limits import Allowance
from leveret.core.once import Once
from leveret.core.prediction import Prediction, Status


class Query(Struct, frozen=True, kw_only=True):
    """Which predictions to list: newest first, those with an id below `before`."""

    account: str
    before: str | None = None
    limit: int = 100
    status: Status | None = None
    model: str | None = None


class Predictions(Protocol):
    """What the gateway needs of the store."""

    async def create(
        self, prediction: Prediction, *, once: Once | None = None, within: Allowance | None = None
    ) -> Prediction:
        """Record it, durably, with its first event and an outbox entry; answers it with its lane chosen and its ticket.

        Creating the same id again changes nothing and answers what is there. So does what `once` says to be sent
        again: the answer then has another id. Anything else has to be `within` what its account may; what that says of
        running holds for this prediction until it has ended. Raises IdempotencyMismatch, RateExceeded and
        TooManyQueued.
        """
        ...

    async def missed(self, prediction: Prediction, once: Once) -> None:
        """Its answer has not reached the client, whose create may come again."""

    async def get(self, prediction_id: str) -> Prediction:
        """The record as it is now. Raises PredictionNotFound."""
        ...

    async def search(self, query: Query) -> list[Prediction]:
        """The predictions of one account, newest first."""
        ...

    def follow(self, prediction_id: str, *, after: int = 0) -> AsyncGenerator[Entry, None]:
        """The log's entries behind number `after`, then each new one as it comes; ends behind the final one.

        Close it with `contextlib.aclosing`. Raises PredictionNotFound and DataRemoved.
        """
        ...

    async def end(self, prediction_id: str, ending: Failed | Canceled) -> bool:
        """End it from outside of a run, if it has not ended yet; whether it did."""
        ...

    async def cancel(self, prediction_id: str) -> str | None:
        """End it now if it waits. If it runs, record that a cancel is requested and answer which worker runs it.

        The request outlives the run: each beat of the run answers it, and a claim that would begin another run
        ends the prediction instead. None: it has ended. Raises PredictionNotFound.
        """
        ...

    async def delete(self, prediction: Prediction) -> None:
        """Remove all that is known of what has ended, with its dead letter and what `once` has remembered of it.

        Nobody finds it any more, and none of its messages begins a run for as long as a record would stay. Its blobs
        go first. Raises PredictionNotFound and NotEnded.
        """
