"""The consumer of a model whose deliveries are sent ahead: of fast runs the next ones are here before they are wanted.

They wait here even while another worker is idle; the fetcher is for runs that take so long that it matters.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial

import structlog
from pika.channel import Channel as RawChannel
from pika.spec import Basic, BasicProperties

from leveret.backends.rabbitmq.connection import Channel, Connection
from leveret.backends.rabbitmq.inbox import Inbox
from leveret.backends.rabbitmq.ledger import Ledger, RabbitDelivery
from leveret.backends.rabbitmq.recovery import Presence, back_off
from leveret.backends.rabbitmq.topology import MAX_PREFETCH, Topology
from leveret.core import lanes
from leveret.core.ports import Delivery

_log = structlog.get_logger()


class Consumer:
    """What a consumer takes from: one channel, a consumer per lane on it, and a buffer behind each.

    1. `attempt` opens the channel and consumes each lane with a prefetch of `ahead`.
    2. Deliveries are decoded into the buffer of their lane; what is not ours becomes a dead letter.
    3. `take` picks from the buffers by the rota.
    4. A lane whose consumer the broker cancels is consumed again; a lost channel ends the attempt.
    5. At the end of the attempt everything that is not settled goes back, and the buffers are emptied.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        ahead: int,
        connections: Presence[Connection],
        topology: Topology,
    ) -> None:
        self._inbox = inbox
        self._prefetch = min(ahead, MAX_PREFETCH)
        self._connections = connections
        self._topology = topology
        self._rota = lanes.Rota()
        self._buffers: list[deque[RabbitDelivery]] = [deque() for _ in range(lanes.COUNT)]
        self._filled = asyncio.Event()
        self.arriving = False
        """See core.ports.Deliveries."""

    async def take(self, most: int) -> list[Delivery]:
        """Between 1 and `most` deliveries, by the weights of the lanes; waits for the first. Safe to cancel."""
        while not (ready := self._ready()):
            self._filled.clear()
            await self._filled.wait()
        taken: list[Delivery] = []
        while ready and len(taken) < most:
            lane = self._rota.pick(ready)
            taken.append(self._buffers[lane].popleft())
            if not self._buffers[lane]:
                ready = self._ready()
        return taken

    async def attempt(self) -> Exception:
        """Consume until the channel is lost; answers why it is. Raises AMQPError."""
        connection = await self._connections.wait()
        async with self._topology.served(connection, self._inbox.model), connection.channel() as channel:
            return await self._consume(connection, channel)

    async def _consume(self, connection: Connection, channel: Channel) -> Exception:
        ledger = Ledger(channel.raw)
        # The lanes whose consumers were canceled, each at most once before it is consumed again; None at the end.
        lost: asyncio.Queue[int | None] = asyncio.Queue(lanes.COUNT + 1)
        channel.raw.add_on_cancel_callback(lambda frame: lost.put_nowait(int(frame.method.consumer_tag or 0)))
        channel.raw.add_on_close_callback(lambda *_: lost.put_nowait(None))
        try:
            await channel.call(Basic.QosOk, channel.raw.basic_qos, prefetch_count=self._prefetch)
            for lane in range(lanes.COUNT):
                await self._consume_lane(channel, ledger, lane)
            self.arriving = True
            losses = 0
            while (lane_lost := await lost.get()) is not None:
                _log.warning("the broker canceled a consumer", model=self._inbox.model, lane=lane_lost)
                await asyncio.sleep(back_off(losses))
                losses += 1
                await self._topology.declare_model(connection, self._inbox.model)
                await self._consume_lane(channel, ledger, lane_lost)
            return channel.closed.result()
        finally:
            self.arriving = False
            self._leave(channel, ledger)

    async def _consume_lane(self, channel: Channel, ledger: Ledger, lane: int) -> None:
        await channel.call(
            Basic.ConsumeOk,
            channel.raw.basic_consume,
            queue=self._topology.queue(self._inbox.model, lane),
            on_message_callback=partial(self._on_message, ledger, self._buffers[lane]),
            consumer_tag=str(lane),
        )

    def _on_message(
        self,
        ledger: Ledger,
        buffer: deque[RabbitDelivery],
        _: RawChannel,
        method: Basic.Deliver,
        properties: BasicProperties,
        body: bytes,
    ) -> None:
        delivery = self._inbox.receive(body, properties, tag=method.delivery_tag or 0, ledger=ledger)
        if delivery is not None:
            buffer.append(delivery)
            self._filled.set()

    def _leave(self, channel: Channel, ledger: Ledger) -> None:
        """Stop the deliveries, give back what is open, and forget what was not taken."""
        for tag in channel.raw.consumer_tags:
            channel.raw.basic_cancel(tag)
        ledger.close()
        for buffer in self._buffers:
            buffer.clear()

    def _ready(self) -> list[int]:
        return [lane for lane, buffer in enumerate(self._buffers) if buffer]
