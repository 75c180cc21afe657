from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from leveret.backends.rabbitmq import RabbitBroker, open_broker
from leveret.testing.conformance.steps import MODEL, eventually, prediction
from leveret.testing.rabbitmq_server import RabbitServer
from tests.backends.rabbitmq.views import collect, published, seen_all

pytestmark = [pytest.mark.slow, pytest.mark.long]

MANY = 30


@pytest.fixture
def cluster() -> Iterator[list[RabbitServer]]:
    with RabbitServer() as first, RabbitServer(beside=first) as second, RabbitServer(beside=first) as third:
        for node in (second, third):
            node.join()
        yield [first, second, third]


async def test_any_node_of_three_can_be_lost_in_mid_load(cluster: list[RabbitServer]) -> None:
    urls = ",".join(node.url for node in cluster)
    async with open_broker(urls) as broker, broker.consume(MODEL, ahead=100) as deliveries:
        await broker.declare(MODEL)
        await asyncio.gather(*[asyncio.to_thread(node.flush) for node in cluster])

        seen: set[str] = set()
        collecting = asyncio.create_task(collect(deliveries, seen))
        confirmed: set[str] = set()
        for victim in cluster:
            killing = asyncio.create_task(kill(victim, once=len(confirmed) + MANY, confirmed=confirmed))
            await publish_on(broker, confirmed, until=killing)
            await publish_on(broker, confirmed, until=asyncio.create_task(reaches(confirmed, len(confirmed) + MANY)))
            await eventually(seen_all(seen, confirmed), True)
            await asyncio.to_thread(victim.start)
        collecting.cancel()


async def publish_on(broker: RabbitBroker, confirmed: set[str], *, until: asyncio.Task[None]) -> None:
    while not until.done():
        number = len(confirmed)
        await eventually(published(broker, number), True)
        confirmed.add(prediction(number).id)


async def reaches(confirmed: set[str], count: int) -> None:
    while len(confirmed) < count:
        await asyncio.sleep(0.001)


async def kill(victim: RabbitServer, *, once: int, confirmed: set[str]) -> None:
    """Kill it when so many are confirmed, while others are on their way."""
    await reaches(confirmed, once)
    await asyncio.to_thread(victim.kill)
