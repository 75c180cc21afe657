"""The ports: what the gateway, the worker and the sweeper need of the world. Backends implement them.

* Broker: the queues. A `Delivery` ends in exactly one of ack, retry, reject.
* Store, six small Protocols, each named for who needs it or for what it keeps: Predictions, Runs, Registry, Upkeep,
  Letters, Lines.
* Blobs: large values.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol, TypeAlias

from msgspec import Struct

from leveret.core.card import Card, Listing
from leveret.core.events import Canceled, Ending, Entry, Failed, Report
from leveret.core.letters import DeadLetter
from leveret.core.line import Line
from leveret.core.prediction import Blob, Prediction, Status


class Delivery(Protocol):
    """A prediction in a worker's hand."""

    @property
    def prediction(self) -> Prediction:
        """The prediction as it was submitted."""
        ...

    def ack(self) -> None:
        """It is dealt with. Not waited for: should the ack be lost, the delivery comes again and claims Finished."""

    async def retry(self, delay: float) -> None:
        """Give it back to be delivered again after about `delay` seconds; 0: at once, to the front.

        With a delay a confirmed copy exists before the original is acknowledged.
        """

    def reject(self) -> None:
        """It can never be dealt with: it is kept among what is `rejected`."""


class Rejected(Struct, frozen=True):
    """A message that its queue has given up `at` that time, and the `reason`: it was rejected or came back too often.

    `prediction` is what it asks for; None if it is no message of ours, or stood in a queue that is not its own. `ack`
    says that it is dealt with: what is not acknowledged comes again.
    """

    body: bytes
    prediction: Prediction | None
    reason: str
    at: float
    ack: Callable[[], None]


class Deliveries(Protocol):
    """What a consumer takes from."""

    async def take(self, most: int) -> list[Delivery]:
        """Between 1 and `most` deliveries, by the weights of the lanes; waits for the first. Safe to cancel."""
        ...


class Broker(Protocol):
    """The durable queues, four lanes for each model."""

    @property
    def accepting(self) -> bool:
        """Whether a publish can be tried now: connected, and not blocked by an alarm."""
        ...

    async def declare(self, model: str) -> None:
        """Make sure that the model's queues exist."""

    async def publish(self, prediction: Prediction, *, delay: float = 0.0) -> None:
        """Queue it in its lane, durably, once `delay` seconds have passed; returns after the broker's confirm.

        Raises BrokerUnavailable (nothing was sent), QueueRefused (not queued) or PublishUnconfirmed (unknown).
        """

    def consume(self, model: str, *, capacity: int) -> AbstractAsyncContextManager[Deliveries]:
        """Consume the model's lanes, holding at most about `capacity` deliveries per lane.

        On leaving, what was not taken goes back to its queue.
        """
        ...

    async def depth(self, model: str) -> tuple[int, ...]:
        """How many messages wait in each lane."""
        ...

    def rejected(self, *, limit: int) -> AbstractAsyncContextManager[list[Rejected]]:
        """Up to `limit` messages that were given up, oldest first; nobody else gets them meanwhile.

        On leaving, what was not acknowledged goes back. Raises BrokerUnavailable.
        """
        ...

    async def tell(self, worker: str, message: bytes) -> None:
        """Send a control message to one worker, at most once."""

    def listen(self, worker: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The control messages sent to this worker while it listens."""
        ...


class Claimed(Struct, frozen=True):
    """The run is the caller's, as number `attempt`; `charged` of those before it count against the limit.

    `suspect` is the worker on which one of those before it has last crashed its model process, if one has.
    """

    attempt: int
    charged: int = 0
    suspect: str = ""


class Finished(Struct, frozen=True):
    """It has ended, maybe by this claim: a cancel was requested, a deadline has passed, or no run is left.

    Acknowledge the delivery.
    """


class Busy(Struct, frozen=True):
    """A worker that is alive runs it; keep a guard message and acknowledge the delivery."""


class Early(Struct, frozen=True):
    """It waits for its next run, `delay` seconds more: give the delivery back for so long."""

    delay: float


Claim: TypeAlias = Claimed | Finished | Busy | Early


class Pulse(StrEnum):
    """What a beat is answered for a run."""

    OURS = "ours"
    LOST = "lost"
    """It is no longer this worker's: whatever it says is refused."""
    CANCEL = "cancel"
    """It is this worker's, and a cancel was requested: stop it."""


class Running(Struct, frozen=True):
    """A run in a worker's hand: the fence is the attempt together with the worker."""

    id: str
    attempt: int


class Query(Struct, frozen=True, kw_only=True):
    """Which predictions to list: newest first, those with an id below `before`."""

    account: str
    before: str | None = None
    limit: int = 100
    status: Status | None = None
    model: str | None = None


class Waiting(Struct, frozen=True):
    """A prediction that should have a message in this lane."""

    id: str
    model: str
    lane: int


class Predictions(Protocol):
    """What the gateway needs of the store."""

    async def create(self, prediction: Prediction) -> Prediction:
        """Record it, durably, with its first event and an outbox entry; answers it with its lane chosen and its ticket.

        Creating the same id again changes nothing and answers what is there.
        """
        ...

    async def get(self, prediction_id: str) -> Prediction:
        """The record as it is now. Raises PredictionNotFound."""
        ...

    async def search(self, query: Query) -> list[Prediction]:
        """The predictions of one account, newest first."""
        ...

    def follow(self, prediction_id: str, *, after: int = 0) -> AsyncGenerator[Entry, None]:
        """The log's entries behind number `after`, then each new one as it comes; ends behind the final one.

        Close it with `contextlib.aclosing`. Raises PredictionNotFound.
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


class Runs(Protocol):
    """What a worker needs of the store. The lists are answered in their order; every call may be repeated."""

    async def claim(
        self, predictions: Sequence[Prediction], *, worker: str, lease: float, most: int | None = None
    ) -> list[Claim]:
        """Take these runs, each for `lease` seconds. A record that is missing is rebuilt from the message.

        A run whose worker was lost is charged. What has `most` runs charged then gets no other one: it has failed.
        """
        ...

    async def beat(self, runs: Sequence[Running], *, worker: str, lease: float) -> list[Pulse]:
        """Renew the leases of the runs that are still this worker's."""
        ...

    async def append(self, run: Running, reports: Sequence[Report], *, worker: str, number: int) -> bool:
        """Add to the log what the run reports; False (and nothing added) if it is no longer this worker's.

        `number` counts this run's appends from 1: repeating a number that was added adds nothing.
        """
        ...

    async def settle(self, endings: Sequence[tuple[Running, Ending]], *, worker: str) -> list[bool]:
        """End these runs; False (and nothing changed) where the run is no longer this worker's.

        The delay of a Reset is counted from now on: a claim before it is over is answered Early.
        """
        ...


class Registry(Protocol):
    """Which models are served. Presence expires, cards stay."""

    async def announce(self, card: Card, *, worker: str, lease: float, problem: str | None = None) -> None:
        """Publish the card and show that the worker is alive for the next `lease` seconds (0: it goes).

        A `problem` says why it cannot serve now; it lasts as long as this sign of life, or until the next one.
        """

    async def cards(self) -> list[Listing]:
        """Every model ever announced, by name, with its workers who are alive and their problems."""
        ...


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


class Letters(Protocol):
    """The dead letters: what has failed for good, until somebody discards it.

    A change that ends a prediction with `Failed.dead` set writes its letter in the same transaction.
    """

    async def letters(self, *, before: str | None = None, limit: int, model: str | None = None) -> list[DeadLetter]:
        """Those with an id below `before`, the highest ids first. With a model: only the model's predictions."""
        ...

    async def letter(self, letter_id: str) -> DeadLetter:
        """One of them. Raises DeadLetterNotFound."""
        ...

    async def bury(self, letter: DeadLetter) -> None:
        """Keep what has no record. If there is a letter with its id already, that stays as it is."""

    async def discard(self, letter_ids: Sequence[str]) -> int:
        """Forget these; answers how many of them there were."""
        ...


class Lines(Protocol):
    """How the predictions of each model move, counted by the calls that move them."""

    async def lines(self) -> Mapping[str, Line]:
        """The line of each model that has ever had a prediction."""
        ...


class Store(Predictions, Runs, Registry, Upkeep, Letters, Lines, Protocol):
    """All six, as one backend class."""


class Blobs(Protocol):
    """Large values, each under a key of its own."""

    async def put(self, key: str, stream: AsyncIterable[bytes], *, content_type: str) -> Blob:
        """Store the stream, never whole in memory; nothing is visible under the key until it is complete."""
        ...

    def open(self, blob: Blob) -> AsyncGenerator[bytes, None]:
        """The content, in chunks. Raises BlobNotFound, and BlobDamaged when size or SHA-256 differ."""
        ...

    async def delete(self, blob: Blob) -> None:
        """Remove it; nothing happens if it is gone already."""
