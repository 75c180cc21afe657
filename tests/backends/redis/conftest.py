"""Redis servers, stores on them, and a proxy that misbehaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.store import RedisStore, open_store
from leveret.testing.redis_server import RedisServer
from tests.backends.redis.proxy import Proxy
from tests.backends.redis.steps import open_line

_namespaces = count(1)


@pytest.fixture(scope="package")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def mortal() -> Iterator[RedisServer]:
    """A server of the test's own, to be killed; what it has answered it must still know."""
    with RedisServer(fsync="always") as server:
        yield server


@pytest.fixture
def namespace() -> str:
    return f"test{next(_namespaces)}"


@pytest.fixture
async def store(server: RedisServer, namespace: str) -> AsyncIterator[RedisStore]:
    async with open_store(server.url, namespace=namespace) as store:
        yield store


@pytest.fixture
async def line(server: RedisServer) -> AsyncIterator[Batcher]:
    """A batcher without a store, for any command."""
    async with open_line(server.url) as line:
        yield line


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[Proxy]:
    async with Proxy(server.url).serving() as proxy:
        yield proxy
