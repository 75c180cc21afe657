"""A gateway on a real port, and what a worker with a key has at it."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest
from msgspec import Struct

from leveret.backends.files import FileBlobs
from leveret.backends.gateway.blobs import RemoteBlobs
from leveret.backends.gateway.connection import Connector
from leveret.backends.gateway.store import RemoteStore, open_store
from leveret.backends.redis.store import open_store as open_redis
from leveret.backends.sqlite.broker import SqliteBroker
from leveret.backends.sqlite.database import open_database
from leveret.config import GatewaySettings
from leveret.core import keys
from leveret.core.keys import ApiKey
from leveret.core.ports import Store
from leveret.gateway.app import create_app
from leveret.gateway.server import server_config
from leveret.testing.redis_server import RedisServer
from tests.gateway.served import Gateway, listening, serving

SCOPES = ("worker:local/echo", "worker:acme/ocr", "worker:local/other")
"""For all models of the conformance suites."""

_namespaces = count(1)


class Served(Protocol):
    """A gateway, and the store behind it."""

    @property
    def url(self) -> str: ...

    @property
    def store(self) -> Store: ...


class Site(Struct, frozen=True):
    """A gateway, and the store behind it."""

    url: str
    store: Store


async def made(gateway: Served, *scopes: str) -> str:
    """A new key."""
    key = keys.new_key(os.urandom(keys.SIZE))
    about = ApiKey(digest=keys.digest(key), account="ops", scopes=scopes, created_at=time.time())
    await gateway.store.add_key(about)
    return key


@asynccontextmanager
async def a_worker(gateway: Served, *scopes: str) -> AsyncIterator[tuple[RemoteStore, RemoteBlobs]]:
    """The store and the blobs as a worker with a key of these scopes has them."""
    connector = Connector(gateway.url, key=await made(gateway, *scopes))
    async with open_store(connector, patience=5.0) as store:
        yield store, RemoteBlobs(connector)
    connector.close()


@pytest.fixture(scope="package")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(params=["sqlite", "redis"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    """A gateway over either store, which has nothing in it."""
    if request.param == "sqlite":
        async with serving(tmp_path, announced=()) as gateway:
            yield gateway
    else:
        server: RedisServer = request.getfixturevalue("server")
        async with _on_redis(tmp_path, server.url) as site:
            yield site


@asynccontextmanager
async def _on_redis(folder: Path, url: str) -> AsyncIterator[Site]:
    """The queues, which no test of a store needs, are embedded."""
    async with (
        open_database(folder / "leveret.db") as database,
        open_redis(url, namespace=f"test{next(_namespaces)}") as store,
    ):
        broker, blobs, settings = SqliteBroker(database), FileBlobs(folder / "blobs"), GatewaySettings()
        app = create_app(store=store, broker=broker, blobs=blobs, settings=settings)
        async with listening(server_config(app, settings)) as (address, _):
            yield Site(address, store)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path, announced=()) as gateway:
        yield gateway
