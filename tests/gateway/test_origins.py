"""Which web pages may ask where nobody needs a key."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from leveret.config import GatewaySettings
from leveret.core import keys
from leveret.core.keys import ApiKey, Scope
from tests.gateway.served import Gateway, eventually, serving

FOREIGN = ["https://evil.example", "null", "http://127.0.0.1:1", "http://["]
PATH = "/v1/models/local/echo/predictions"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path) as gateway:
        yield gateway


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_page_of_somebody_else_has_nothing_run(gateway: Gateway, origin: str) -> None:
    answer = await gateway.client.post(PATH, content=b'{"input": {"text": "x"}}', headers={"Origin": origin})

    assert (403, "origin_refused") == (answer.status_code, answer.json()["code"])
    assert [] == (await gateway.client.get("/v1/predictions")).json()["results"]


async def test_a_page_of_somebody_else_gets_no_socket(gateway: Gateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(gateway.url.replace("http", "ws") + "/v1/socket", additional_headers={"Origin": FOREIGN[0]})

    assert 403 == refused.value.response.status_code


async def test_the_gateways_own_pages_may_ask(gateway: Gateway) -> None:
    assert 200 == (await gateway.client.get("/v1/predictions", headers={"Origin": gateway.url})).status_code


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:8000", 200), ("app.localhost", 200), ("[::1]:8000", 200), ("10.0.0.7", 200), ("evil.example", 403)],
)
async def test_a_name_that_somebody_else_could_lead_here_is_not_answered(
    gateway: Gateway, host: str, status: int
) -> None:
    assert status == (await gateway.client.get("/v1/predictions", headers={"Host": host})).status_code


@pytest.mark.parametrize(
    ("settings", "host", "origin", "status"),
    [
        (GatewaySettings(base_url="https://hare.example"), "hare.example", "https://hare.example", 200),
        (GatewaySettings(base_url="https://hare.example"), "127.0.0.1:8000", "https://hare.example", 200),
        (GatewaySettings(insecure=True), "gateway:8000", "http://gateway:8000", 200),
        (GatewaySettings(insecure=True), "gateway:8000", "https://evil.example", 403),
    ],
)
async def test_names_are_known_by_the_settings(
    tmp_path: Path, settings: GatewaySettings, host: str, origin: str, status: int
) -> None:
    async with serving(tmp_path, settings=settings) as gateway:
        answer = await gateway.client.get("/v1/predictions", headers={"Host": host, "Origin": origin})

    assert status == answer.status_code


async def test_whoever_has_a_key_may_ask_from_anywhere(gateway: Gateway) -> None:
    key = keys.new_key(os.urandom(keys.SIZE))
    about = ApiKey(digest=keys.digest(key), account="alice", scopes=(Scope.READ,), created_at=time.time())
    await gateway.store.add_key(about)

    async def status() -> int:
        headers = {"Host": "evil.example", "Origin": FOREIGN[0], "Authorization": f"Bearer {key}"}
        return (await gateway.client.get("/v1/predictions", headers=headers)).status_code

    assert 200 == await eventually(status, lambda found: found == 200)
