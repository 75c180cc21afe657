"""A gateway on a real port, and what a worker with a key has at it."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from leveret.backends.gateway.blobs import RemoteBlobs
from leveret.backends.gateway.connection import Connector
from leveret.backends.gateway.store import RemoteStore, open_store
from leveret.core import keys
from leveret.core.keys import ApiKey
from tests.gateway.served import Gateway, serving

SCOPES = ("worker:local/echo", "worker:acme/ocr", "worker:local/other")
"""For all models of the conformance suites."""


async def made(gateway: Gateway, *scopes: str) -> str:
    """A new key."""
    key = keys.new_key(os.urandom(keys.SIZE))
    about = ApiKey(digest=keys.digest(key), account="ops", scopes=scopes, created_at=time.time())
    await gateway.store.add_key(about)
    return key


@asynccontextmanager
async def a_worker(gateway: Gateway, *scopes: str) -> AsyncIterator[tuple[RemoteStore, RemoteBlobs]]:
    """The store and the blobs as a worker with a key of these scopes has them."""
    connector = Connector(gateway.url, key=await made(gateway, *scopes))
    async with open_store(connector, patience=5.0) as store:
        yield store, RemoteBlobs(connector)
    connector.close()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path, announced=()) as gateway:
        yield gateway
