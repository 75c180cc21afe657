from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from leveret.backends.rabbitmq import open_broker
from leveret.testing.conformance.steps import MODEL, eventually, prediction, take
from leveret.testing.rabbitmq_server import RabbitServer
from tests.backends.rabbitmq.views import published

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture
def cluster() -> Iterator[list[RabbitServer]]:
    with RabbitServer() as first, RabbitServer(beside=first) as second, RabbitServer(beside=first) as third:
        for node in (second, third):
            node.join()
        yield [first, second, third]


async def test_any_node_of_three_can_be_lost(cluster: list[RabbitServer]) -> None:
    urls = ",".join(node.url for node in cluster)
    async with open_broker(urls) as broker, broker.consume(MODEL, ahead=100) as deliveries:
        await broker.declare(MODEL)
        await asyncio.gather(*[asyncio.to_thread(node.flush) for node in cluster])

        seen: set[str] = set()
        for lost, victim in enumerate(cluster):
            victim.kill()
            numbers = range(10 * lost, 10 * lost + 10)
            for number in numbers:
                await eventually(published(broker, number), True)

            while not seen >= {prediction(number).id for number in numbers}:
                for delivery in await take(deliveries, 1, most=100):
                    seen.add(delivery.prediction.id)
                    delivery.ack()
            await asyncio.to_thread(victim.start)
