"""The intake of one channel: asks the lanes for just what is wanted, and sends back what comes beyond that."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

import structlog
from pika.channel import Channel as RawChannel
from pika.frame import Method
from pika.spec import Basic, BasicProperties

from leveret.backends.rabbitmq.connection import Channel, Connection, resolve
from leveret.backends.rabbitmq.inbox import Inbox
from leveret.backends.rabbitmq.ledger import Ledger, RabbitDelivery
from leveret.backends.rabbitmq.recovery import back_off
from leveret.backends.rabbitmq.topology import MAX_PREFETCH, Topology
from leveret.core import lanes
from leveret.core.ports import Delivery
from leveret.errors import Unavailable

_log = structlog.get_logger()


class Intake:
    """Serves one take after the other.

    1. `take` looks how much waits in each lane, and shares what is wanted out among them by the rota,
    2. it consumes each of those lanes with its share as the prefetch,
    3. when there was nothing, or others were faster, it consumes every lane, for one delivery each, until one comes,
    4. `tidy` cancels the consumers behind it, and only then gives back what has come beyond what was taken: before, it
       would come here again at once. RabbitMQ before 4.3 counts that, so what has come often is renewed.
    """

    def __init__(
        self, inbox: Inbox, *, channel: Channel, connection: Connection, topology: Topology, rota: lanes.Rota
    ) -> None:
        self._inbox = inbox
        self._channel = channel
        self._connection = connection
        self._topology = topology
        self._rota = rota
        self._loop = asyncio.get_running_loop()
        self._ledger = Ledger(channel.raw)
        self._arrived: list[RabbitDelivery] = []
        self._worn: set[Delivery] = set()
        self._consumed: dict[str, int] = {}
        self._numbers = itertools.count()
        self._prefetch = 0
        self._lost = False
        self._news: asyncio.Future[None] = self._loop.create_future()
        self._taken: asyncio.Future[None] = self._loop.create_future()
        self._tidy = asyncio.Event()
        self._tidy.set()
        self._closed = asyncio.Event()
        channel.raw.add_on_cancel_callback(self._on_cancel)

    async def take(self, most: int) -> list[Delivery]:
        """Between 1 and `most` deliveries. Safe to cancel. Raises AMQPError."""
        await self._tidy.wait()
        self._tidy.clear()
        try:
            waiting = await self._topology.waiting(self._channel, self._inbox.model)
            await self._fetch(self._shares(waiting, most))
            await self._listen()
            taken: list[Delivery] = [*self._arrived[:most]]
            del self._arrived[:most]
            self._worn.difference_update(taken)
            return taken
        finally:
            resolve(self._taken, None)

    async def tidy(self) -> NoReturn:
        """After each take send back what has come too much, until the channel is lost. Raises AMQPError."""
        while True:
            await self._channel.answered(self._taken)
            self._taken = self._loop.create_future()
            # One after the other: of one that stands in line to be canceled, pika would send back all that comes.
            for tag in list(self._consumed):
                if self._consumed.pop(tag, None) is not None:
                    await self._channel.call(Basic.CancelOk, self._channel.raw.basic_cancel, consumer_tag=tag)
            surplus, self._arrived = self._arrived, []
            for delivery in surplus:
                await self._give_back(delivery)
            self._tidy.set()

    def close(self) -> None:
        """Give back what is open; whoever waits for this intake is told that it is over."""
        for tag in self._channel.raw.consumer_tags:
            self._channel.raw.basic_cancel(tag)
        self._ledger.close()
        self._closed.set()
        self._tidy.set()

    async def abandoned(self) -> None:
        """Return once it is over; see to it that it is."""
        if self._channel.raw.is_open:
            self._channel.raw.close()
        await self._closed.wait()

    async def _give_back(self, delivery: RabbitDelivery) -> None:
        """Let another worker have it. A copy, which begins to count anew, if it might become a dead letter by that."""
        if delivery in self._worn:
            self._worn.remove(delivery)
            with suppress(Unavailable):
                await delivery.guard(0)
                return
        await delivery.retry(0)

    def _shares(self, waiting: Sequence[int], most: int) -> Mapping[int, int]:
        """How many to take from which lane, if so many wait in each."""
        shares: Counter[int] = Counter()
        for _ in range(min(most, sum(waiting))):
            shares[self._rota.pick([lane for lane, count in enumerate(waiting) if shares[lane] < count])] += 1
        return +shares

    async def _fetch(self, shares: Mapping[int, int]) -> None:
        """Have these sent, as far as they are still there."""
        for lane, count in shares.items():
            await self._consume(lane, count)
        if len(self._arrived) < sum(shares.values()):
            await self._limit(1)  # the broker answers this behind all that it had to send

    async def _listen(self) -> None:
        """Until something has arrived from any lane."""
        losses = 0
        while not self._arrived:
            self._news = self._loop.create_future()
            await self._consume_all()
            if not self._arrived:
                await self._channel.answered(self._news)
            if self._lost:
                self._lost = False
                await asyncio.sleep(back_off(losses))
                losses += 1
                await self._topology.declare_model(self._connection, self._inbox.model)

    async def _consume_all(self) -> None:
        for lane in range(lanes.COUNT):
            if self._arrived:
                return
            if lane not in self._consumed.values():
                await self._consume(lane, 1)

    async def _consume(self, lane: int, count: int) -> None:
        if self._prefetch != count:
            await self._limit(count)
        # A consumer is canceled for good: under its tag the broker would count what was taken against its prefetch.
        tag = f"{lane}.{next(self._numbers)}"
        self._consumed[tag] = lane
        await self._channel.call(
            Basic.ConsumeOk,
            self._channel.raw.basic_consume,
            queue=self._topology.queue(self._inbox.model, lane),
            on_message_callback=self._on_message,
            consumer_tag=tag,
        )

    async def _limit(self, count: int) -> None:
        """How many the broker may send to each consumer that is made from now on."""
        self._prefetch = min(count, MAX_PREFETCH)
        await self._channel.call(Basic.QosOk, self._channel.raw.basic_qos, prefetch_count=self._prefetch)

    def _on_message(self, _: RawChannel, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
        delivery = self._inbox.receive(body, properties, tag=method.delivery_tag or 0, ledger=self._ledger)
        if delivery is not None:
            self._arrived.append(delivery)
            returns = (properties.headers or {}).get("x-delivery-count")
            if isinstance(returns, int) and returns >= self._topology.delivery_limit // 2:
                self._worn.add(delivery)
            resolve(self._news, None)

    def _on_cancel(self, frame: Method[Basic.Cancel]) -> None:
        """The broker has ended a consumer, such as when its queue was deleted."""
        lane = self._consumed.pop(str(frame.method.consumer_tag), None)
        if lane is not None:
            _log.warning("the broker canceled a consumer", model=self._inbox.model, lane=lane)
            self._lost = True
            resolve(self._news, None)
