from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from leveret.backends.rabbitmq import RabbitBroker, open_broker
from leveret.testing.conformance.broker import DeadLetters
from leveret.testing.rabbitmq_server import RabbitServer
from tests.backends.rabbitmq.views import plain_channel

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[RabbitServer]:
    with RabbitServer() as running:
        yield running


@pytest.fixture
def namespace() -> str:
    return f"test-{next(_numbers)}"


@pytest.fixture
async def broker(server: RabbitServer, namespace: str) -> AsyncIterator[RabbitBroker]:
    async with open_broker(server.url, namespace=namespace) as opened:
        yield opened


@pytest.fixture
def dead_letters(server: RabbitServer, namespace: str) -> DeadLetters:
    found: list[str] = []

    async def drained() -> list[str]:
        with plain_channel(server) as channel:
            while (got := channel.basic_get(f"{namespace}.dead", auto_ack=True))[0] is not None:
                found.append(str(got[1].message_id))
        return found

    return drained
