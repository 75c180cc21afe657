"""What the bare gateway and worker share: their queue, a pika channel, and Redis commands sent in batches."""

from __future__ import annotations

import asyncio
import os
from typing import Final, TypeAlias

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel
from redis.asyncio import Redis

QUEUE: Final = "bare"
BROKER_URL: Final = os.environ.get("BENCH_BROKER_URL", "amqp://localhost")
STORE_URL: Final = os.environ.get("BENCH_STORE_URL", "redis://localhost")

Reply: TypeAlias = "dict[bytes, bytes] | int"


async def open_channel() -> Channel:
    """A channel on which the durable quorum queue is declared."""
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[Channel] = loop.create_future()

    def declare(channel: Channel) -> None:
        channel.queue_declare(
            QUEUE,
            durable=True,
            arguments={"x-queue-type": "quorum"},
            callback=lambda _: opened.set_result(channel),
        )

    AsyncioConnection(
        pika.URLParameters(BROKER_URL),
        on_open_callback=lambda connection: connection.channel(on_open_callback=declare),
        custom_ioloop=loop,
    )
    return await opened


class Batcher:
    """Sends the Redis commands of one loop tick, and those that came up meanwhile, as one pipeline."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[tuple[tuple[str | bytes, ...], asyncio.Future[Reply]]] = []
        self._sender: asyncio.Task[None] | None = None

    def send(self, *command: str | bytes) -> asyncio.Future[Reply]:
        """The reply to the command, later."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Reply] = loop.create_future()
        self._waiting.append((command, reply))
        if self._sender is None:
            self._sender = loop.create_task(self._send())
        return reply

    async def _send(self) -> None:
        while batch := self._waiting:
            self._waiting = []
            pipeline = self._redis.pipeline(transaction=False)
            for command, _ in batch:
                pipeline.execute_command(*command)
            for (_, reply), value in zip(batch, await pipeline.execute(), strict=True):
                reply.set_result(value)
        self._sender = None
