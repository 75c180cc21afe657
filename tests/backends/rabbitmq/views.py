"""What the tests look at: the broker from outside, and questions to ask until the answer is right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from leveret.backends.rabbitmq import RabbitBroker
from leveret.core.ports import Deliveries
from leveret.errors import PublishUnconfirmed, Unavailable
from leveret.testing.conformance.steps import prediction
from leveret.testing.rabbitmq_server import RabbitServer

Probe: TypeAlias = Callable[[], Awaitable[object]]


@contextmanager
def plain_channel(server: RabbitServer) -> Iterator[BlockingChannel]:
    """What a program without Leveret sees."""
    with pika.BlockingConnection(pika.URLParameters(server.url)) as connection:
        yield connection.channel()


async def collect(deliveries: Deliveries, into: set[str]) -> None:
    while True:
        for delivery in await deliveries.take(16):
            into.add(delivery.prediction.id)
            delivery.ack()


@asynccontextmanager
async def blocked(server: RabbitServer, broker: RabbitBroker) -> AsyncIterator[None]:
    """The broker is out of memory, and has noticed that we publish."""
    await asyncio.to_thread(server.ctl, "set_vm_memory_high_watermark", "0")
    try:
        with pytest.raises(PublishUnconfirmed):
            await broker.publish(prediction(99, lane=3))
        assert not broker.accepting
        yield
    finally:
        await asyncio.to_thread(server.ctl, "set_vm_memory_high_watermark", "0.4")


def sent(broker: RabbitBroker, errand: bytes) -> Probe:
    """Whether the errand could be sent."""

    async def probe() -> bool:
        try:
            await broker.send(errand)
        except Unavailable:
            return False
        return True

    return probe


def accepting(broker: RabbitBroker) -> Probe:
    async def probe() -> bool:
        return broker.accepting

    return probe


def seen_all(seen: set[str], expected: set[str]) -> Probe:
    async def probe() -> bool:
        return expected <= seen

    return probe


def published(broker: RabbitBroker, number: int) -> Probe:
    async def probe() -> bool:
        try:
            await broker.publish(prediction(number))
        except Unavailable:
            return False
        return True

    return probe


def consumers(channel: BlockingChannel, queue: str) -> Probe:
    async def probe() -> int:
        return channel.queue_declare(queue, passive=True).method.consumer_count

    return probe


def hears(broker: RabbitBroker, messages: AsyncIterator[bytes]) -> Probe:
    async def probe() -> bytes:
        await broker.tell("worker", b"still there?")
        try:
            return await asyncio.wait_for(anext(messages), 0.5)
        except TimeoutError:
            return b""

    return probe
