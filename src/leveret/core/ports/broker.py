"""The queues. A `Delivery` ends in exactly one of ack, retry, reject."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from leveret.core.prediction import Prediction, ReplyTo


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

    async def guard(self, delay: float) -> None:
        """Let a confirmed copy that is delivered after about `delay` seconds stand for it from now on: a guard.

        A broker that takes back what is not acknowledged in time needs that; any other does nothing. After it `ack`
        and `reject` leave the prediction to its guard, and `retry` queues it anew. Raises Unavailable, and it is as
        it was.
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
    """What a consumer takes from, one `take` at a time."""

    @property
    def arriving(self) -> bool:
        """Whether what waits arrives here; not while the connection is lost."""
        ...

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

    def consume(self, model: str, *, ahead: int) -> AbstractAsyncContextManager[Deliveries]:
        """Consume the model's lanes. On leaving, what was not taken goes back to its queue.

        `ahead` is how many deliveries of each lane the broker may send before they are taken, those in hand included.
        0 is just in time: what was not asked for stays in its queue, where any other consumer can take it.
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

    async def reply(self, to: ReplyTo, prediction_id: str, body: bytes) -> None:
        """Send what has become of a prediction to whoever asked over AMQP; returns after the broker's confirm.

        Raises NoReplyQueue if there is no such queue (any more), BrokerUnavailable, QueueRefused or PublishUnconfirmed.
        """

    async def tell(self, worker: str, message: bytes) -> None:
        """Send a control message to one worker, at most once."""

    def listen(self, worker: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The control messages sent to this worker while it listens."""
        ...
