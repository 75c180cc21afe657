"""The topology: which exchanges and queues there are. Only arguments that every RabbitMQ from 3.10 on knows.

exchange {ns}          direct ──{owner}.{name}.{lane}──▶ queue {ns}.{owner}.{name}.{lane}, four for each model
                       ──webhooks──▶ queue {ns}.webhooks, the errands
exchange {ns}.retry.5  fanout ──▶ queue {ns}.retry.5 ──after 5 s──▶ exchange {ns}, routing key kept
exchange {ns}.dead     fanout ──▶ queue {ns}.dead, what was rejected or came back too often, for the sweeper
exchange {ns}.control  direct ──{worker}──▶ the worker's own queue
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from pika.exceptions import ChannelClosedByBroker
from pika.spec import Queue

from leveret.backends.rabbitmq.connection import Channel, Connection
from leveret.backends.rabbitmq.declaring import NOT_FOUND, Arguments, Declaring, Route
from leveret.core import lanes, retry

MAX_LENGTH: Final = 200_000
"""Messages that may wait in one lane; the gateway's own limits should bite long before."""

RUNG_MAX_LENGTH: Final = 1_000_000

DELIVERY_LIMIT: Final = 50
"""Deliveries of one message. Before 4.3 every give-back counts, so it has to be well above what is normal."""

NO_DELIVERY_LIMIT: Final = 2**31 - 1
"""Never: what is in the queue of the dead has nowhere else to go, and an errand is not to blame for coming back."""

ERRANDS: Final = "webhooks"
"""The routing key of errands; those of lanes have dots."""

MAX_PREFETCH: Final = 2000
"""Quorum queues send no more to one consumer."""


class Topology:
    """The names of everything, and the power to declare it."""

    def __init__(self, namespace: str, *, max_length: int = MAX_LENGTH, delivery_limit: int = DELIVERY_LIMIT) -> None:
        self.exchange = namespace
        self.control = f"{namespace}.control"
        self.dead = f"{namespace}.dead"
        self.delivery_limit = delivery_limit
        self.errands = f"{namespace}.{ERRANDS}"
        self._max_length = max_length
        self._models: set[str] = set()
        self._declaring = Declaring()

    def routing_key(self, model: str, lane: int) -> str:
        """What leads to a lane of the model. Dots are doubled, so that `a.b/c` and `a/b.c` stay apart."""
        owner, _, name = model.replace(".", "..").partition("/")
        return f"{owner}.{name}.{lane}"

    def queue(self, model: str, lane: int) -> str:
        """The queue that is a lane of the model."""
        return f"{self.exchange}.{self.routing_key(model, lane)}"

    def rung(self, delay: float) -> str:
        """The exchange (and the queue) in which something waits for about `delay` seconds."""
        return f"{self.exchange}.retry.{retry.rung(delay)}"

    def exchanges(self) -> Mapping[str, str]:
        """The kinds of all exchanges, by their names."""
        kinds = {self.exchange: "direct", self.control: "direct", self.dead: "fanout"}
        return kinds | dict.fromkeys(map(self.rung, retry.RUNGS), "fanout")

    def routes(self) -> list[Route]:
        """All queues, those of every model that has been added among them."""
        return [self._dead_letters(), self._errands(), *self._ladder(), *self.lanes(*self._models)]

    async def declare(self, connection: Connection) -> None:
        """Declare all of it, or see that it is there. Raises AMQPError."""
        await self._declaring.everything(connection, self.exchanges(), self.routes())

    def add(self, model: str) -> None:
        """From now on the model's queues are part of it."""
        self._models.add(model)

    async def declare_model(self, connection: Connection, model: str) -> None:
        """The same with the queues of one model. Raises AMQPError."""
        await self._declaring.everything(connection, {}, list(self.lanes(model)))

    @asynccontextmanager
    async def served(self, connection: Connection, model: str) -> AsyncIterator[None]:
        """Should the body find that a queue of the model is missing, it is made, and the error raised all the same."""
        try:
            yield
        except ChannelClosedByBroker as error:
            if error.reply_code == NOT_FOUND:
                await self.declare_model(connection, model)
            raise

    async def waiting(self, channel: Channel, model: str) -> list[int]:
        """How many messages wait in each lane. Raises AMQPError, such as for a lane that there is not."""
        counts: list[int] = []
        for lane in range(lanes.COUNT):
            queue = self.queue(model, lane)
            found = await channel.call(Queue.DeclareOk, channel.raw.queue_declare, queue=queue, passive=True)
            counts.append(found.message_count)
        return counts

    def lanes(self, *models: str) -> Iterator[Route]:
        """The queues of these models."""
        arguments: Arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": self.delivery_limit,
            "x-dead-letter-exchange": self.dead,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-max-length": self._max_length,
        }
        for model in models:
            for lane in range(lanes.COUNT):
                yield Route(self.queue(model, lane), self.exchange, self.routing_key(model, lane), arguments, model)

    def _ladder(self) -> Iterator[Route]:
        for seconds in retry.RUNGS:
            arguments: Arguments = {
                "x-queue-type": "quorum",
                "x-message-ttl": seconds * 1000,
                "x-dead-letter-exchange": self.exchange,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
                "x-max-length": RUNG_MAX_LENGTH,
            }
            yield Route(self.rung(seconds), self.rung(seconds), "", arguments)

    async def declare_errands(self, connection: Connection) -> None:
        """The same with the queue of errands. Raises AMQPError."""
        await self._declaring.everything(connection, {}, [self._errands()])

    def _errands(self) -> Route:
        arguments: Arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": NO_DELIVERY_LIMIT,
            "x-dead-letter-exchange": self.dead,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-max-length": RUNG_MAX_LENGTH,
        }
        return Route(self.errands, self.exchange, ERRANDS, arguments)

    def _dead_letters(self) -> Route:
        # Without a bound, as a full queue would drop its oldest. From 4.0 on the broker has a limit of its own, of 20
        # deliveries, behind which messages vanish; while the store is away each sweep delivers and gives back.
        return Route(self.dead, self.dead, "", {"x-queue-type": "quorum", "x-delivery-limit": NO_DELIVERY_LIMIT})
