"""Both families of backends, with everything that calls webhooks on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from leveret.backends import Backends, connect
from leveret.config import Settings
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

_namespaces = count(1)


@pytest.fixture(scope="package")
def servers() -> Iterator[tuple[str, str]]:
    """The URLs of a RabbitMQ and of a Redis."""
    with ExitStack() as stack:
        yield stack.enter_context(RabbitServer()).url, stack.enter_context(RedisServer()).url


@pytest.fixture(params=["embedded", pytest.param("distributed", marks=pytest.mark.slow)])
async def backends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Backends]:
    settings = Settings(data_dir=str(tmp_path / "data"))
    if request.param == "distributed":
        broker_url, store_url = request.getfixturevalue("servers")
        settings = Settings(broker_url=broker_url, store_url=store_url, namespace=f"hooks{next(_namespaces)}")
    async with connect(settings, patience=10) as opened:
        yield opened


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Backends]:
    async with connect(Settings(data_dir=str(tmp_path / "data")), patience=10) as opened:
        yield opened
