"""What the tests of the clients stand on: a gateway, a proxy before it, and either client behind that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from leveret.client import AsyncClient, Client
from tests.client.both import Either, ThreadedClient
from tests.client.proxy import Proxy
from tests.gateway.served import PATIENCE, Gateway, serving


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path) as gateway:
        yield gateway


@pytest.fixture
async def proxy(gateway: Gateway) -> AsyncIterator[Proxy]:
    async with Proxy(gateway.address).serving() as proxy:
        yield proxy


@pytest.fixture(params=["blocking", "asynchronous"])
async def client(request: pytest.FixtureRequest, proxy: Proxy) -> AsyncIterator[Either]:
    if request.param == "blocking":
        with Client(proxy.url, timeout=PATIENCE, patience=PATIENCE) as client:
            yield ThreadedClient(client)
    else:
        async with AsyncClient(proxy.url, timeout=PATIENCE, patience=PATIENCE) as client:
            yield client
