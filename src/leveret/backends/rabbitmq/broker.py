"""The broker on RabbitMQ: quorum queues, confirmed publishes, and connections that come back by themselves."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from pika import BasicProperties, URLParameters
from pika.exceptions import AMQPError, ChannelClosedByBroker

from leveret.backends.rabbitmq import rejected
from leveret.backends.rabbitmq.connection import Connection, connect, hosts
from leveret.backends.rabbitmq.consumer import Consumer
from leveret.backends.rabbitmq.declaring import NOT_FOUND
from leveret.backends.rabbitmq.errands import RabbitErrands
from leveret.backends.rabbitmq.fetcher import Fetcher
from leveret.backends.rabbitmq.inbox import Inbox
from leveret.backends.rabbitmq.ledger import Ledger
from leveret.backends.rabbitmq.listener import Listener
from leveret.backends.rabbitmq.publisher import Message, NoQueue, Publisher, keep_publishing
from leveret.backends.rabbitmq.recovery import Presence, beside, keep_trying
from leveret.backends.rabbitmq.topology import DELIVERY_LIMIT, ERRANDS, MAX_LENGTH, Topology
from leveret.core import lanes, tracing, wire
from leveret.core.meters import SILENT, Meter
from leveret.core.ports import Deliveries, Rejected
from leveret.core.prediction import Prediction, ReplyTo
from leveret.errors import BrokerUnavailable, NoReplyQueue
from leveret.tls import NO_BROKER_FILES, Files

FIRST_CONTACT: Final = 5.0
"""Seconds to wait for the first connection; after that it is tried further in the background."""

CONNECTION_PATIENCE: Final = 15.0
"""Seconds that a declaration waits for a connection."""

_PERSISTENT: Final = 2
_DIRECT: Final = "amq.rabbitmq.reply-to."
"""Direct reply-to: no queue, so that the broker would return what it has delivered there (seen in 3.10)."""

_log = structlog.get_logger()


class RabbitBroker:
    """The durable queues on RabbitMQ. Made by `open_broker`."""

    def __init__(
        self, *, topology: Topology, publishers: Presence[Publisher], connections: Presence[Connection]
    ) -> None:
        self._topology = topology
        self._publishers = publishers
        self._connections = connections
        self._errands_sent = itertools.count()

    @property
    def accepting(self) -> bool:
        """Whether a publish can be tried now: connected, and not blocked by an alarm."""
        publisher = self._publishers.value
        return publisher is not None and not publisher.blocked

    async def declare(self, model: str) -> None:
        """Make sure that the model's queues exist, now and after each new connection. Raises BrokerUnavailable."""
        self._topology.add(model)
        try:
            async with asyncio.timeout(CONNECTION_PATIENCE):
                await self._topology.declare_model(await self._connections.wait(), model)
        except TimeoutError:
            raise BrokerUnavailable(reason="it is not connected") from None
        except AMQPError as error:
            raise BrokerUnavailable(reason=str(error)) from error

    async def publish(self, prediction: Prediction, *, delay: float = 0.0) -> None:
        """Queue it in its lane, durably, once `delay` seconds have passed; returns after the broker's confirm.

        Raises BrokerUnavailable (nothing was sent), QueueRefused (not queued) or PublishUnconfirmed (unknown).
        """
        properties = BasicProperties(
            content_type=wire.CONTENT_TYPE,
            delivery_mode=_PERSISTENT,
            message_id=prediction.id,
            headers=tracing.headers(prediction.trace) or None,
        )
        message = Message(
            self._topology.rung(delay) if delay > 0 else self._topology.exchange,
            self._topology.routing_key(prediction.model, prediction.lane),
            wire.encode(prediction),
            properties,
            prediction.model,
        )
        await self._publisher().publish(message)

    @asynccontextmanager
    async def consume(self, model: str, *, ahead: int) -> AsyncIterator[Deliveries]:
        """Consume the model's lanes. On leaving, what was not taken goes back to its queue.

        `ahead` is how many deliveries of each lane may be sent before they are taken; 0 is just in time.
        """
        inbox = Inbox(model, republish=self._republish)
        consumer: Consumer | Fetcher = (
            Consumer(inbox, ahead=ahead, connections=self._connections, topology=self._topology)
            if ahead > 0
            else Fetcher(inbox, connections=self._connections, topology=self._topology)
        )
        async with beside(keep_trying(consumer.attempt, what=f"to consume {model}")):
            yield consumer

    async def depth(self, model: str) -> tuple[int, ...]:
        """How many messages wait in each lane. Raises BrokerUnavailable."""
        connection = self._connections.value
        if connection is None:
            raise BrokerUnavailable(reason="it is not connected")
        try:
            async with connection.channel() as channel:
                return tuple(await self._topology.waiting(channel, model))
        except ChannelClosedByBroker as error:
            if error.reply_code == NOT_FOUND:
                return (0,) * lanes.COUNT
            raise BrokerUnavailable(reason=str(error)) from error
        except AMQPError as error:
            raise BrokerUnavailable(reason=str(error)) from error

    @asynccontextmanager
    async def rejected(self, *, limit: int) -> AsyncIterator[list[Rejected]]:
        """Up to `limit` messages that were given up, oldest first; nobody else gets them meanwhile.

        On leaving, what was not acknowledged goes back. Raises BrokerUnavailable.
        """
        connection = self._connections.value
        if connection is None:
            raise BrokerUnavailable(reason="it is not connected")
        try:
            async with connection.channel() as channel:
                ledger = Ledger(channel.raw)
                try:
                    yield await rejected.take(channel, ledger, self._topology, limit=limit)
                finally:
                    ledger.close()
        except AMQPError as error:
            raise BrokerUnavailable(reason=str(error)) from error

    async def reply(self, to: ReplyTo, prediction_id: str, body: bytes) -> None:
        """Send what has become of a prediction to whoever asked over AMQP; returns after the broker's confirm.

        Raises NoReplyQueue, BrokerUnavailable, QueueRefused or PublishUnconfirmed.
        """
        properties = BasicProperties(
            content_type=wire.CONTENT_TYPE,
            delivery_mode=_PERSISTENT,
            message_id=prediction_id,
            correlation_id=to.correlation_id or None,
        )
        message = Message("", to.queue, body, properties, to.queue)
        try:
            await self._publisher().publish(message, mandatory=not to.queue.startswith(_DIRECT))
        except NoQueue as error:
            raise NoReplyQueue(queue=to.queue) from error

    async def tell(self, worker: str, message: bytes) -> None:
        """Send a control message to one worker, at most once. Raises Unavailable."""
        await self._publisher().publish(
            Message(self._topology.control, worker, message, BasicProperties(), worker), mandatory=False
        )

    @asynccontextmanager
    async def listen(self, worker: str) -> AsyncIterator[Listener]:
        """The control messages sent to this worker while it listens."""
        listener = Listener(worker, connections=self._connections, topology=self._topology)
        async with beside(keep_trying(listener.attempt, what=f"to listen as {worker}")):
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_CONTACT):
                    await listener.listening.wait()
            yield listener

    async def send(self, errand: bytes, *, delay: float = 0.0) -> None:
        """Queue it, durably, once about `delay` seconds have passed; returns after the broker's confirm.

        Raises BrokerUnavailable (nothing was sent), QueueRefused (not queued) or PublishUnconfirmed (unknown).
        """
        properties = BasicProperties(
            content_type=wire.CONTENT_TYPE, delivery_mode=_PERSISTENT, message_id=str(next(self._errands_sent))
        )
        place = self._topology.rung(delay) if delay > 0 else self._topology.exchange
        await self._publisher().publish(Message(place, ERRANDS, errand, properties, ERRANDS))

    @asynccontextmanager
    async def errands(self, *, capacity: int) -> AsyncIterator[RabbitErrands]:
        """Take them, holding at most `capacity` that have not ended. On leaving, those go back."""
        errands = RabbitErrands(capacity=capacity, connections=self._connections, topology=self._topology)
        async with beside(keep_trying(errands.attempt, what="to consume errands")):
            yield errands

    def _publisher(self) -> Publisher:
        publisher = self._publishers.value
        if publisher is None:
            raise BrokerUnavailable(reason="it is not connected")
        return publisher

    async def _republish(self, prediction: Prediction, delay: float) -> None:
        await self.publish(prediction, delay=delay)


@asynccontextmanager
async def open_broker(
    urls: str,
    *,
    namespace: str = "leveret",
    max_length: int = MAX_LENGTH,
    delivery_limit: int = DELIVERY_LIMIT,
    meter: Meter = SILENT,
    files: Files = NO_BROKER_FILES,
) -> AsyncIterator[RabbitBroker]:
    """The broker at these comma separated amqp:// or amqps:// URLs, which are the nodes of one cluster.

    Publishing and consuming have a connection each, since an alarm blocks every connection that publishes. Without
    a connection for the first few seconds the broker is there all the same, and not `accepting`. Raises InvalidSetting.
    """
    topology = Topology(namespace, max_length=max_length, delivery_limit=delivery_limit)
    publishers: Presence[Publisher] = Presence()
    connections: Presence[Connection] = Presence()

    async def consuming(connection: Connection) -> BaseException:
        meter.connected("broker, to consume")
        with connections.present(connection):
            return await connection.lost()

    async def publishing(connection: Connection) -> BaseException:
        meter.connected("broker, to publish")
        return await keep_publishing(connection, publishers)

    consume = _held(hosts(urls, files), topology, role="consumer", use=consuming)
    publish = _held(hosts(urls, files), topology, role="publisher", use=publishing)
    async with (
        beside(keep_trying(consume, what="to connect to RabbitMQ for consuming")),
        beside(keep_trying(publish, what="to connect to RabbitMQ for publishing")),
    ):
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_CONTACT):
                await connections.wait()
                await publishers.wait()
        yield RabbitBroker(topology=topology, publishers=publishers, connections=connections)


def _held(
    places: Sequence[URLParameters],
    topology: Topology,
    *,
    role: str,
    use: Callable[[Connection], Awaitable[BaseException]],
) -> Callable[[], Awaitable[BaseException]]:
    """What connects to one place after the other, declares the topology there, and uses the connection to its end."""
    rotation = itertools.cycle(places)

    async def hold() -> BaseException:
        async with connect(next(rotation), role=role) as connection:
            await topology.declare(connection)
            return await use(connection)

    return hold
