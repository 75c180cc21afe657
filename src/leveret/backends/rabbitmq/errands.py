"""Errands: what is taken from the queue of webhooks, through whatever happens to the connection."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Self

from pika.channel import Channel as RawChannel
from pika.exceptions import ChannelClosedByBroker
from pika.spec import Basic, BasicProperties

from leveret.backends.rabbitmq.connection import Channel, Connection
from leveret.backends.rabbitmq.declaring import NOT_FOUND
from leveret.backends.rabbitmq.ledger import Ledger
from leveret.backends.rabbitmq.recovery import Presence
from leveret.backends.rabbitmq.topology import Topology


class RabbitErrands:
    """Iterate over it for the errands; `attempt` fills it while it lasts."""

    def __init__(self, *, capacity: int, connections: Presence[Connection], topology: Topology) -> None:
        self._capacity = capacity
        self._connections = connections
        self._topology = topology
        self._arrived: asyncio.Queue[RabbitErrand] = asyncio.Queue()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RabbitErrand:
        return await self._arrived.get()

    async def attempt(self) -> Exception:
        """Consume until the channel is lost; answers why it is. Raises AMQPError."""
        connection = await self._connections.wait()
        try:
            async with connection.channel() as channel:
                return await self._consume(channel)
        except ChannelClosedByBroker as error:
            if error.reply_code == NOT_FOUND:
                await self._topology.declare_errands(connection)
            raise

    async def _consume(self, channel: Channel) -> Exception:
        ledger = Ledger(channel.raw)
        channel.raw.add_on_cancel_callback(lambda _: channel.raw.close())
        try:
            await channel.call(Basic.QosOk, channel.raw.basic_qos, prefetch_count=self._capacity)
            await channel.call(
                Basic.ConsumeOk,
                channel.raw.basic_consume,
                queue=self._topology.errands,
                on_message_callback=partial(self._on_message, ledger),
            )
            await asyncio.wait([channel.closed])
            return channel.closed.result()
        finally:
            for tag in channel.raw.consumer_tags:
                channel.raw.basic_cancel(tag)
            ledger.close()
            while not self._arrived.empty():
                self._arrived.get_nowait()

    def _on_message(
        self, ledger: Ledger, _: RawChannel, method: Basic.Deliver, __: BasicProperties, body: bytes
    ) -> None:
        tag = method.delivery_tag or 0
        ledger.enter(tag)
        self._arrived.put_nowait(RabbitErrand(body, tag=tag, ledger=ledger))


class RabbitErrand:
    """Implements core.hooks.ErrandInHand. Once its channel is lost nothing happens any more: it comes again."""

    __slots__ = ("_ledger", "_tag", "body")

    def __init__(self, body: bytes, *, tag: int, ledger: Ledger) -> None:
        self.body = body
        self._tag = tag
        self._ledger = ledger

    def ack(self) -> None:
        """See core.hooks.ErrandInHand."""
        self._ledger.ack(self._tag)

    def give_back(self) -> None:
        """See core.hooks.ErrandInHand."""
        self._ledger.give_back(self._tag)

    def reject(self) -> None:
        """See core.hooks.ErrandInHand."""
        self._ledger.reject(self._tag)
