"""The listener: a worker's ear for control messages. They are delivered at most once."""

from __future__ import annotations

import asyncio
from typing import Final, Self

import structlog
from pika.channel import Channel as RawChannel
from pika.spec import Basic, BasicProperties, Queue

from leveret.backends.rabbitmq.connection import Connection
from leveret.backends.rabbitmq.recovery import Presence
from leveret.backends.rabbitmq.topology import Topology

CAPACITY: Final = 1000
"""Control messages kept for a worker that does not look; further ones are dropped."""

_log = structlog.get_logger()


class Listener:
    """Iterate over it for the messages. Its queue lives and dies with the connection."""

    def __init__(self, worker: str, *, connections: Presence[Connection], topology: Topology) -> None:
        self.listening = asyncio.Event()
        self._worker = worker
        self._connections = connections
        self._topology = topology
        self._messages: asyncio.Queue[bytes] = asyncio.Queue(CAPACITY)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        return await self._messages.get()

    async def attempt(self) -> Exception:
        """Listen until the channel is lost; answers why it is. Raises AMQPError."""
        connection = await self._connections.wait()
        async with connection.channel() as channel:
            raw = channel.raw
            raw.add_on_cancel_callback(lambda _: raw.close())
            queue = await channel.call(Queue.DeclareOk, raw.queue_declare, queue="", exclusive=True, auto_delete=True)
            await channel.call(
                Queue.BindOk,
                raw.queue_bind,
                queue=queue.queue,
                exchange=self._topology.control,
                routing_key=self._worker,
            )
            await channel.call(
                Basic.ConsumeOk,
                raw.basic_consume,
                queue=queue.queue,
                on_message_callback=self._on_message,
                auto_ack=True,
            )
            self.listening.set()
            await asyncio.wait([channel.closed])
            return channel.closed.result()

    def _on_message(self, _: RawChannel, __: Basic.Deliver, ___: BasicProperties, body: bytes) -> None:
        if self._messages.full():
            _log.warning("a control message is dropped: the worker does not look", worker=self._worker)
            return
        self._messages.put_nowait(body)
