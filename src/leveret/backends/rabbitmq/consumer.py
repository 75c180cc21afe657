"""The consumer of a model: takes from the four lanes by their weights, through whatever happens to the connection."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import Final

import structlog
from pika.channel import Channel as RawChannel
from pika.exceptions import ChannelClosedByBroker
from pika.spec import Basic, BasicProperties

from leveret.backends.rabbitmq.connection import Channel, Connection
from leveret.backends.rabbitmq.ledger import Ledger, RabbitDelivery, Republish
from leveret.backends.rabbitmq.reading import read
from leveret.backends.rabbitmq.recovery import Presence, back_off
from leveret.backends.rabbitmq.topology import NOT_FOUND, Topology
from leveret.core import lanes
from leveret.core.ports import Delivery
from leveret.core.prediction import Prediction
from leveret.errors import Undecodable

MAX_PREFETCH: Final = 2000
"""Quorum queues send no more to one consumer."""

_log = structlog.get_logger()


class Consumer:
    """What a consumer takes from: one channel, a consumer per lane on it, and a buffer behind each.

    1. `attempt` opens the channel and consumes each lane with a prefetch of `capacity`.
    2. Deliveries are decoded into the buffer of their lane; what is not ours becomes a dead letter.
    3. `take` picks from the buffers by the rota.
    4. A lane whose consumer the broker cancels is consumed again; a lost channel ends the attempt.
    5. At the end of the attempt everything that is not settled goes back, and the buffers are emptied.
    """

    def __init__(
        self,
        model: str,
        *,
        capacity: int,
        connections: Presence[Connection],
        topology: Topology,
        republish: Republish,
    ) -> None:
        self._model = model
        self._prefetch = min(capacity, MAX_PREFETCH)
        self._connections = connections
        self._topology = topology
        self._republish = republish
        self._rota = lanes.Rota()
        self._buffers: list[deque[RabbitDelivery]] = [deque() for _ in range(lanes.COUNT)]
        self._filled = asyncio.Event()

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
        try:
            async with connection.channel() as channel:
                return await self._consume(connection, channel)
        except ChannelClosedByBroker as error:
            if error.reply_code == NOT_FOUND:
                await self._topology.declare_model(connection, self._model)
            raise

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
            losses = 0
            while (lane_lost := await lost.get()) is not None:
                _log.warning("the broker canceled a consumer", model=self._model, lane=lane_lost)
                await asyncio.sleep(back_off(losses))
                losses += 1
                await self._topology.declare_model(connection, self._model)
                await self._consume_lane(channel, ledger, lane_lost)
            return channel.closed.result()
        finally:
            self._leave(channel, ledger)

    async def _consume_lane(self, channel: Channel, ledger: Ledger, lane: int) -> None:
        await channel.call(
            Basic.ConsumeOk,
            channel.raw.basic_consume,
            queue=self._topology.queue(self._model, lane),
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
        tag = method.delivery_tag or 0
        ledger.enter(tag)
        try:
            prediction = self._decode(body, properties)
        except Undecodable as error:
            _log.warning("a foreign message becomes a dead letter", model=self._model, reason=str(error))
            ledger.reject(tag)
            return
        buffer.append(RabbitDelivery(prediction, tag=tag, ledger=ledger, republish=self._republish))
        self._filled.set()

    def _decode(self, body: bytes, properties: BasicProperties) -> Prediction:
        prediction = read(body, properties)
        if prediction.model != self._model:
            raise Undecodable(
                what="message", reason=f"it is for {prediction.model} and stood in a lane of {self._model}"
            )
        return prediction

    def _leave(self, channel: Channel, ledger: Ledger) -> None:
        """Stop the deliveries, give back what is open, and forget what was not taken."""
        for tag in channel.raw.consumer_tags:
            channel.raw.basic_cancel(tag)
        ledger.close()
        for buffer in self._buffers:
            buffer.clear()

    def _ready(self) -> list[int]:
        return [lane for lane, buffer in enumerate(self._buffers) if buffer]
