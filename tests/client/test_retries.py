"""Calls through connections that break: they are repeated where that does no harm."""

from __future__ import annotations

import asyncio
import re

import pytest

from leveret.client import AsyncClient
from leveret.errors import BrokerUnavailable, GatewayRefused, GatewayUnreachable, QueueRefused
from tests.client.both import Either
from tests.client.proxy import Proxy
from tests.gateway.served import Gateway, eventually

ECHOED = {"text": "hello"}


def keys(proxy: Proxy) -> list[bytes]:
    """The keys of the requests that create."""
    return [found[1] for one in proxy.requests if (found := re.search(rb"(?i)idempotency-key: (\S+)", one))]


async def test_a_create_that_did_not_arrive_is_repeated_with_its_key(
    gateway: Gateway, proxy: Proxy, client: Either
) -> None:
    proxy.unheard = 2

    handle = await client.submit("echo", ECHOED)

    assert 3 == len(keys(proxy))
    assert 1 == len(set(keys(proxy)))
    assert [handle.id] == [one.id async for one in client.predictions()]


@pytest.mark.xfail(strict=True, reason="relies on the gateway honouring Idempotency-Key: remove this mark then")
async def test_a_create_whose_answer_is_lost_makes_one_prediction(
    gateway: Gateway, proxy: Proxy, client: Either
) -> None:
    proxy.unanswered = 1

    handle = await client.submit("echo", ECHOED)

    assert [handle.id] == [one.id async for one in client.predictions()]


async def test_each_create_has_a_key_of_its_own_unless_it_is_given(
    gateway: Gateway, proxy: Proxy, client: Either
) -> None:
    for key in (None, None, "mine"):
        await client.submit("echo", ECHOED, idempotency_key=key)

    first, second, third = keys(proxy)
    assert first != second
    assert b"mine" == third


async def test_a_read_and_a_cancel_are_repeated(gateway: Gateway, proxy: Proxy, client: Either) -> None:
    handle = await client.submit("echo", ECHOED)

    proxy.unanswered = 2
    await handle.reload()
    proxy.unanswered = 1
    canceled = await handle.cancel()

    assert "canceled" == canceled.status


async def test_a_wait_whose_connection_breaks_is_begun_again(gateway: Gateway, proxy: Proxy, client: Either) -> None:
    handle = await client.submit("echo", ECHOED)
    run = await gateway.worker.start(handle.id)
    proxy.unanswered = 1
    waiting = asyncio.create_task(handle.wait())
    await eventually(gateway.followers, lambda count: count == 1)
    await gateway.worker.succeed(run)

    assert "done" == (await waiting).result()
    assert 0 == proxy.unanswered


async def test_a_retry_is_not_repeated_once_it_may_have_arrived(gateway: Gateway, proxy: Proxy, client: Either) -> None:
    handle = await client.submit("echo", ECHOED)
    await handle.cancel()

    proxy.unanswered = 1
    with pytest.raises(GatewayUnreachable):
        await client.retry(handle.id)

    assert 2 == len([one.id async for one in client.predictions()])


async def test_what_is_away_is_tried_again_until_it_is_back(gateway: Gateway, proxy: Proxy, client: Either) -> None:
    async def refusals() -> int:
        return sum(answer.startswith(b"HTTP/1.1 503") for answer in proxy.answers)

    handle = await client.submit("echo", ECHOED)
    gateway.store.away = True
    reloading = asyncio.create_task(handle.reload())
    await eventually(refusals, lambda count: count > 0)
    gateway.store.away = False

    assert handle.id == (await reloading).id


async def test_what_stays_away_is_told_at_last(gateway: Gateway) -> None:
    async with AsyncClient(gateway.url, patience=0.1) as client:
        gateway.broker.blocked = True
        with pytest.raises(BrokerUnavailable):
            await client.submit("echo", ECHOED)
        gateway.broker.blocked, gateway.broker.trouble = False, QueueRefused(model="local/echo", reason="it is full")
        with pytest.raises(QueueRefused, match="it is full"):
            await client.submit("echo", ECHOED)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, b"nope", "is there one"),
        (200, b"nope", "does not answer as this version understands"),
        (200, b'{"results":[{}]}', "does not answer as this version understands"),
        (418, b'{"detail":"short and stout","code":"teapot"}', "short and stout"),
        (404, b'{"detail":"it has moved","code":"model_not_found"}', "it has moved"),
        (400, b'{"detail":"no","code":7}', "no"),
    ],
)
async def test_what_is_no_answer_of_a_gateway_is_refused(status: int, body: bytes, words: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d -\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, AsyncClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        with pytest.raises(GatewayRefused, match=words):
            await client.models()
