"""Families of backends for the worker's tests."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.worker.arrange import Apart, Family, opened, opened_apart

_numbers = itertools.count()


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Family]:
    async with opened(tmp_path) as family:
        yield family


@pytest.fixture(scope="package")
def rabbit() -> Iterator[RabbitServer]:
    with RabbitServer() as server:
        yield server


@pytest.fixture(scope="package")
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def apart(tmp_path: Path, rabbit: RabbitServer, redis: RedisServer) -> AsyncIterator[Apart]:
    """The family on RabbitMQ and Redis."""
    namespace = f"worker-{next(_numbers)}"
    async with opened_apart(tmp_path, rabbit=rabbit.url, redis=redis.url, namespace=namespace) as family:
        yield family


@pytest.fixture(params=["embedded", "apart"])
async def either(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Family]:
    """One family, then the other."""
    if request.param == "embedded":
        async with opened(tmp_path) as family:
            yield family
    else:
        rabbit, redis = request.getfixturevalue("rabbit"), request.getfixturevalue("redis")
        namespace = f"worker-{next(_numbers)}"
        async with opened_apart(tmp_path, rabbit=rabbit.url, redis=redis.url, namespace=namespace) as apart:
            yield apart
