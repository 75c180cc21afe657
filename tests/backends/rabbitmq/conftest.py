from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from leveret.backends.rabbitmq import RabbitBroker, open_broker
from leveret.testing.rabbitmq_server import RabbitServer

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
