"""The topology: which exchanges and queues there are. Only arguments that every RabbitMQ from 3.10 on knows.

exchange {ns}          direct ──{owner}.{name}.{lane}──▶ queue {ns}.{owner}.{name}.{lane}, four for each model
                       ──webhooks──▶ queue {ns}.webhooks, the errands
exchange {ns}.retry.5  fanout ──▶ queue {ns}.retry.5 ──after 5 s──▶ exchange {ns}, routing key kept
exchange {ns}.dead     fanout ──▶ queue {ns}.dead, what was rejected or came back too often, for the sweeper
exchange {ns}.control  direct ──{worker}──▶ the worker's own queue
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import structlog
from msgspec import Struct
from pika.exceptions import ChannelClosedByBroker
from pika.spec import Exchange, Queue

from leveret.backends.rabbitmq.connection import Channel, Connection
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

NOT_FOUND: Final = 404
PRECONDITION_FAILED: Final = 406

Arguments: TypeAlias = Mapping[str, str | int]

_log = structlog.get_logger()


class Route(Struct, frozen=True):
    """A durable quorum queue and the binding that feeds it."""

    queue: str
    exchange: str
    routing_key: str
    arguments: Arguments


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

    async def declare(self, connection: Connection) -> None:
        """Declare all of it, with every model that has been added. Raises AMQPError."""
        async with connection.channel() as channel:
            kinds = {self.exchange: "direct", self.control: "direct", self.dead: "fanout"}
            kinds |= dict.fromkeys(map(self.rung, retry.RUNGS), "fanout")
            for name, kind in kinds.items():
                await channel.call(
                    Exchange.DeclareOk, channel.raw.exchange_declare, exchange=name, exchange_type=kind, durable=True
                )
        routes = [self._dead_letters(), self._errands(), *self._ladder()]
        for model in self._models:
            routes += self._lanes(model)
        await asyncio.gather(*[_declare(connection, route) for route in routes])

    def add(self, model: str) -> None:
        """From now on the model's queues are part of it."""
        self._models.add(model)

    async def declare_model(self, connection: Connection, model: str) -> None:
        """Declare the queues of one model. Raises AMQPError."""
        await asyncio.gather(*[_declare(connection, route) for route in self._lanes(model)])

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

    def _lanes(self, model: str) -> Iterator[Route]:
        arguments: Arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": self.delivery_limit,
            "x-dead-letter-exchange": self.dead,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-max-length": self._max_length,
        }
        for lane in range(lanes.COUNT):
            yield Route(self.queue(model, lane), self.exchange, self.routing_key(model, lane), arguments)

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
        """Declare the queue of errands. Raises AMQPError."""
        await _declare(connection, self._errands())

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


async def _declare(connection: Connection, route: Route) -> None:
    """Declare on a channel of its own, so that queues are made side by side and a refusal closes nothing else."""
    try:
        async with connection.channel() as channel:
            await channel.call(
                Queue.DeclareOk,
                channel.raw.queue_declare,
                queue=route.queue,
                durable=True,
                arguments=dict(route.arguments),
            )
    except ChannelClosedByBroker as error:
        if error.reply_code != PRECONDITION_FAILED:
            raise
        _log.warning("a queue has other arguments than it would be given now; it is used as it is", reason=str(error))
    async with connection.channel() as channel:
        await channel.call(
            Queue.BindOk,
            channel.raw.queue_bind,
            queue=route.queue,
            exchange=route.exchange,
            routing_key=route.routing_key,
        )
