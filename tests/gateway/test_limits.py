"""Limits over HTTP and on the socket: what is refused, how it is told, and what it costs."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import httpx2
import pytest
from msgspec import Raw
from websockets.asyncio.client import connect

from leveret.config import LimitSettings
from leveret.core.events import Succeeded
from leveret.core.limits import Allowance
from leveret.errors import QueueRefused
from tests.gateway.served import Gateway, eventually, serving

Limited: TypeAlias = Callable[[LimitSettings], AbstractAsyncContextManager[Gateway]]


@pytest.fixture
def limited(tmp_path: Path) -> Limited:
    @asynccontextmanager
    async def limited(limits: LimitSettings) -> AsyncIterator[Gateway]:
        async with serving(tmp_path, limits=limits) as gateway:
            yield gateway

    return limited


def told(answer: httpx2.Response) -> tuple[int, str, int]:
    """The status, the code and when to try again."""
    return answer.status_code, answer.json()["code"], int(answer.headers["retry-after"])


async def test_a_rate_that_is_exceeded_is_429_and_says_when_to_come_back(limited: Limited) -> None:
    async with limited(LimitSettings(rate=0.1, burst=2)) as gateway:
        accepted = [(await gateway.post()).status_code for _ in range(2)]
        first, second = await gateway.post(), await gateway.post()

        assert [201, 201] == accepted
        assert (429, "rate_exceeded", 10) == told(first) == told(second)
        assert "0.1 predictions per second" in first.json()["detail"]
        assert 9 < second.json()["retry_after"] <= first.json()["retry_after"] <= 10


async def test_who_was_told_to_come_back_later_may_come_as_soon_as_its_limit_is_another(limited: Limited) -> None:
    async with limited(LimitSettings(rate=0.001)) as gateway:
        await gateway.create()
        refused = await gateway.post()
        await gateway.client.put("/admin/v1/accounts/local", json={"rate": 0})

        async def status() -> int:
            return (await gateway.post()).status_code

        assert (429, 1000) == (refused.status_code, int(refused.headers["retry-after"]))
        assert 201 == await eventually(status, lambda found: found == 201)


async def test_reading_is_not_limited(limited: Limited) -> None:
    async with limited(LimitSettings(rate=0.1)) as gateway:
        prediction_id = await gateway.create()
        await gateway.post()

        answers = [await gateway.client.get(f"/v1/predictions/{prediction_id}") for _ in range(5)]

        assert [200] * 5 == [answer.status_code for answer in answers]


async def test_a_refused_create_reaches_the_store_once(limited: Limited) -> None:
    async with limited(LimitSettings(rate=0.1)) as gateway:
        await gateway.create()
        await gateway.post()
        gateway.store.gate.clear()  # whoever asked it would hang

        async with asyncio.timeout(5):
            answers = [await gateway.post() for _ in range(3)]

        assert [429] * 3 == [answer.status_code for answer in answers]


async def test_a_refused_create_is_not_read(limited: Limited) -> None:
    async with limited(LimitSettings(rate=0.1)) as gateway:
        await gateway.create()
        await gateway.post()

        answer = await gateway.client.post("/v1/models/local/echo/predictions", content=b"no json")

        assert (429, "rate_exceeded") == (answer.status_code, answer.json()["code"])


async def test_a_full_queue_is_429_until_there_is_room(limited: Limited) -> None:
    async with limited(LimitSettings(queued=1)) as gateway:
        prediction_id = await gateway.create()
        refused = await gateway.post()
        await gateway.client.post(f"/v1/predictions/{prediction_id}/cancel")

        async def status() -> int:
            return (await gateway.post()).status_code

        assert (429, "too_many_queued") == told(refused)[:2]
        assert 201 == await eventually(status, lambda found: found == 201)


async def test_a_retry_is_a_create(limited: Limited) -> None:
    async with limited(LimitSettings(rate=0.1)) as gateway:
        prediction_id = await gateway.create()
        await gateway.client.post(f"/v1/predictions/{prediction_id}/cancel")

        answer = await gateway.client.post(f"/v1/predictions/{prediction_id}/retry")

        assert (429, "rate_exceeded", 10) == told(answer)


async def test_a_socket_is_told_the_same(limited: Limited) -> None:
    async with limited(LimitSettings(rate=0.1)) as gateway:
        await gateway.create()
        async with connect(gateway.url.replace("http", "ws") + "/v1/socket") as socket:
            await socket.send(json.dumps({"op": "submit", "model": "local/echo", "input": {"text": "x"}, "ref": "1"}))
            answer = json.loads(await socket.recv())

    assert ("error", "rate_exceeded", "1") == (answer["type"], answer["problem"]["code"], answer["ref"])


async def test_an_account_may_have_limits_of_its_own(limited: Limited) -> None:
    async with limited(LimitSettings(rate=0.1)) as gateway:
        put = await gateway.client.put("/admin/v1/accounts/local", json={"rate": 0})

        async def status() -> int:
            return (await gateway.post()).status_code

        assert {"account": "local", "rate": 0, "burst": None, "queued": None, "running": None} == put.json()
        await eventually(status, lambda found: found == 429)
        assert [put.json()] == (await gateway.client.get("/admin/v1/accounts")).json()["results"]
        assert {"local": Allowance(rate=0)} == await gateway.store.allowances()
        assert 204 == (await gateway.client.delete("/admin/v1/accounts/local")).status_code
        assert {} == await gateway.store.allowances()


@pytest.mark.parametrize("body", ['{"rate": -1}', '{"rate": "x"}', '{"speed": 1}', "[]", '{"queued": 1.5}'])
async def test_limits_that_make_no_sense_are_422(gateway: Gateway, body: str) -> None:
    answer = await gateway.client.put("/admin/v1/accounts/local", content=body)

    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])


async def test_what_would_have_to_wait_for_too_long_is_503(limited: Limited) -> None:
    async with limited(LimitSettings(wait=5)) as gateway:
        run = await gateway.worker.start(await gateway.create())
        await gateway.worker.end(run, Succeeded(at=time.time() + 2, attempt=1, output=Raw(b"1")))

        async def refused() -> httpx2.Response:
            return await gateway.post()

        answer = await eventually(refused, lambda answer: answer.status_code != 201)

        status, code, seconds = told(answer)
        assert (503, "overloaded") == (status, code)
        assert 1 <= seconds <= 60
        assert "no more than 5 s are wanted" in answer.json()["detail"]


async def test_a_queue_that_takes_no_more_is_503_with_the_time_until_there_is_room(gateway: Gateway) -> None:
    gateway.broker.trouble = QueueRefused(model="local/echo", reason="it is full")

    answer = await gateway.post()

    assert (503, "queue_refused", 2) == told(answer)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"input": {"text": ' + b"[" * 98 + b"]" * 98 + b"}}", 422),
        (b'{"input": {"text": ' + b"[" * 99 + b"]" * 99 + b"}}", 413),
        (b'{"input": {"text": ' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"}}", 413),
        (b"[" * 200_000, 413),
        (b'{"input": {"text": "' + b"[" * 1000 + b'\\" {{{"}}', 201),
        (b'{"input": {"text": "a", "tags": [' + b'"[", ' * 500 + b'"]"]}}', 201),
    ],
)
async def test_what_is_nested_too_deeply_is_413(gateway: Gateway, body: bytes, status: int) -> None:
    answer = await gateway.client.post("/v1/models/local/echo/predictions", content=body)

    assert status == answer.status_code, answer.text
    assert status != 413 or answer.json()["code"] == "too_deep"
