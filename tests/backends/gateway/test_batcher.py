"""Group commit over HTTP, and what becomes of calls when the gateway is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from leveret.backends.gateway.blobs import RemoteBlobs
from leveret.backends.gateway.connection import Connector
from leveret.backends.gateway.store import open_store
from leveret.core.blobs import output_key
from leveret.core.events import Logs
from leveret.core.ports import Claimed, Pulse, Running
from leveret.core.streams import once
from leveret.core.worker_api import LARGEST
from leveret.errors import BodyTooLarge, InvalidOutput, InvalidSetting, PredictionNotFound, StoreUnavailable
from leveret.testing.conformance.arrange import LONG, a_prediction, a_run, succeeded, whole_log
from leveret.testing.conformance.registry import ECHO
from tests.backends.gateway.conftest import a_worker, made
from tests.backends.redis.proxy import Proxy
from tests.gateway.served import Gateway

MINE = "worker:local/echo"
LARGE = bytes(range(256)) * 20_000


@pytest.fixture
async def proxy(gateway: Gateway) -> AsyncIterator[Proxy]:
    async with Proxy(gateway.url).serving() as proxy:
        yield proxy


@pytest.fixture
async def connector(gateway: Gateway, proxy: Proxy) -> AsyncIterator[Connector]:
    """To the gateway, by way of the proxy."""
    connector = Connector(f"http://{proxy.url.split('/')[2]}", key=await made(gateway, MINE))
    yield connector
    connector.close()


async def test_the_calls_of_one_tick_travel_together(gateway: Gateway) -> None:
    runs = [await a_run(gateway.store) for _ in range(50)]
    async with a_worker(gateway, MINE) as (store, _):
        before = gateway.requests
        pulses = await asyncio.gather(*[store.beat([run], worker="w1", lease=LONG) for run in runs])

        assert [[Pulse.OURS]] * 50 == pulses
        assert gateway.requests - before == 1


async def test_a_caller_that_goes_away_does_not_disturb_the_others(gateway: Gateway) -> None:
    prediction = await gateway.store.create(a_prediction())
    async with a_worker(gateway, MINE) as (store, _):
        gone = asyncio.ensure_future(store.cards())
        stays = asyncio.ensure_future(store.get(prediction.id))
        await asyncio.sleep(0)
        gone.cancel()

        assert prediction == await stays
        assert [] == await store.cards()


async def test_an_answer_that_is_lost_changes_nothing(gateway: Gateway, proxy: Proxy, connector: Connector) -> None:
    prediction = await gateway.store.create(a_prediction())
    async with open_store(connector) as store:
        proxy.cut_before_answers = 1
        claims = await store.claim([prediction], worker="w1", lease=LONG)
        run = await a_run(gateway.store)
        proxy.cut_before_answers = 1
        pulses = await store.settle([(run, succeeded(run))], worker="w1")

    assert ([Claimed(1)], [Pulse.OURS]) == (claims, pulses)
    assert 3 == len(await whole_log(gateway.store, run.id))


async def test_a_connection_that_was_closed_while_nobody_asked_is_replaced(proxy: Proxy, connector: Connector) -> None:
    async with open_store(connector) as store:
        for _ in range(3):
            assert [] == await store.cards()
            proxy.cut()


async def test_whoever_takes_leave_is_seen_last(gateway: Gateway) -> None:
    async with a_worker(gateway, MINE) as (store, _):
        await asyncio.gather(
            *[store.announce(ECHO, worker="w1", lease=LONG) for _ in range(9)],
            store.announce(ECHO, worker="w1", lease=0),
        )

    assert [0] == [listing.workers for listing in await gateway.store.cards()]


async def test_a_gateway_that_stays_away_is_unavailable_once_the_patience_is_over(gateway: Gateway) -> None:
    nowhere = Connector("http://127.0.0.1:1", key=await made(gateway, MINE))
    async with open_store(nowhere, patience=0.05) as store:
        with pytest.raises(StoreUnavailable):
            await store.cards()


async def test_what_is_no_gateway_is_named(gateway: Gateway) -> None:
    elsewhere = Connector(f"{gateway.url}/elsewhere", key=await made(gateway, MINE))
    async with open_store(elsewhere, patience=0.05) as store:
        with pytest.raises(StoreUnavailable, match="no endpoint"):
            await store.cards()


async def test_a_key_that_is_not_taken_is_said_to_be_so_and_not_told(gateway: Gateway) -> None:
    async with open_store(Connector(gateway.url, key="lv_secret")) as store:
        with pytest.raises(StoreUnavailable, match="LEVERET_STORE_TOKEN") as refused:
            await store.cards()

    assert "lv_secret" not in str(refused.value)


async def test_a_call_that_is_too_large_is_refused_before_it_is_sent(gateway: Gateway) -> None:
    async with a_worker(gateway, MINE) as (store, _):
        with pytest.raises(BodyTooLarge):
            await store.replied(["x" * 1024] * 66_000)
        with pytest.raises(InvalidOutput):
            await store.append(Running("p1", 1), [Logs(1.0, 1, "x" * LARGEST)], worker="w1", number=1)
        with pytest.raises(PredictionNotFound):
            await store.get("nothing")


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://worker:lv_secret@gateway.example", "lv_secret"),
        ("https://", "lv_secret"),
        ("http://gateway.example:port", "lv_secret"),
        ("http://gateway.example/?a=b", "lv_secret"),
        ("http://gateway.example/a b", "lv_secret"),
        (f"http://{'a' * 64}.example", "lv_secret"),
        ("http://gateway.example", ""),
        ("http://gateway.example", "lv_secret\r\nX-Other: 1"),
    ],
)
def test_an_address_or_a_key_that_cannot_be_used_is_refused_without_telling_the_key(url: str, key: str) -> None:
    with pytest.raises(InvalidSetting) as refused:
        Connector(url, key=key)

    assert "lv_secret" not in str(refused.value)


async def test_what_breaks_off_while_it_is_read_is_taken_up_again(
    gateway: Gateway, proxy: Proxy, connector: Connector
) -> None:
    run = await a_run(gateway.store)
    blobs = RemoteBlobs(connector)
    blob = await blobs.put(output_key(run.id, 1), once(LARGE), content_type="a/b")

    read = bytearray()
    async with aclosing(blobs.open(blob)) as chunks:
        async for chunk in chunks:
            read += chunk
            if proxy.connections < 4:
                proxy.cut()

    assert LARGE == read
    assert proxy.connections >= 4


async def test_what_breaks_off_while_it_is_put_is_unavailable_and_leaves_nothing(
    gateway: Gateway, proxy: Proxy, connector: Connector, tmp_path: Path
) -> None:
    run = await a_run(gateway.store)
    key = output_key(run.id, 1)

    async def interrupted() -> AsyncIterator[bytes]:
        yield LARGE
        proxy.cut()
        yield LARGE

    with pytest.raises(StoreUnavailable):
        await RemoteBlobs(connector).put(key, interrupted(), content_type="a/b")

    assert not (tmp_path / "blobs" / key).exists()
