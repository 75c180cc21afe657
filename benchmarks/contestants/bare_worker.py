"""A worker with no product around it: consume, run the model, store the result, acknowledge."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
import uvloop
from msgspec import Struct
from pika.channel import Channel
from pika.spec import Basic, BasicProperties
from redis.asyncio import Redis

from benchmarks.contestants.bare_broker import QUEUE, STORE_URL, open_channel

PREFETCH: Final = 128


class Input(Struct):
    """What the model takes."""

    n: int


class Message(Struct):
    """What travels through the queue."""

    id: str
    input: Input


def echo(n: int) -> int:
    """The model of the contest."""
    return n


class Worker:
    """Runs what has been delivered, one batch after the other."""

    def __init__(self, channel: Channel, redis: Redis) -> None:
        self._channel = channel
        self._redis = redis
        self._decode = msgspec.json.Decoder(Message).decode
        self._delivered: list[tuple[int, bytes]] = []
        self._arrived = asyncio.Event()

    async def run(self) -> None:
        self._channel.basic_qos(prefetch_count=PREFETCH)
        self._channel.basic_consume(QUEUE, self._deliver)
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch, self._delivered = self._delivered, []
            await self._run(batch)

    async def _run(self, batch: list[tuple[int, bytes]]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for _, body in batch:
            message = self._decode(body)
            output = msgspec.json.encode(echo(message.input.n))
            pipeline.execute_command("HSET", message.id, "status", "succeeded", "output", output)
        await pipeline.execute()
        self._channel.basic_ack(batch[-1][0], multiple=True)

    def _deliver(self, _channel: Channel, method: Basic.Deliver, _properties: BasicProperties, body: bytes) -> None:
        assert method.delivery_tag is not None
        self._delivered.append((method.delivery_tag, body))
        self._arrived.set()


async def main() -> None:
    async with Redis.from_url(STORE_URL) as redis:
        await Worker(await open_channel(), redis).run()


if __name__ == "__main__":
    uvloop.run(main())
