"""Following through outages and jams."""

from __future__ import annotations

import asyncio
import signal
from contextlib import aclosing

import pytest

from leveret.backends.redis import follow, subscriptions
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.connection import Reply
from leveret.backends.redis.store import RedisStore, open_store
from leveret.core import events
from leveret.errors import StoreUnavailable
from leveret.testing.conformance.arrange import (
    PATIENCE,
    a_prediction,
    a_run,
    append,
    canceled,
    claimed,
    eventually,
    settle,
    streamed,
    whole_log,
)
from leveret.testing.redis_server import RedisServer
from tests.backends.redis.proxy import Proxy
from tests.backends.redis.steps import ask, open_line, output, statistic


async def test_a_watcher_survives_a_crash(mortal: RedisServer) -> None:
    async with open_store(mortal.url) as store, asyncio.timeout(PATIENCE):
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        async with aclosing(store.follow(prediction.id)) as log:
            assert [(await anext(log)).number for _ in range(2)] == [1, 2]

            mortal.kill()
            await asyncio.to_thread(mortal.start)
            await append(store, run, 1, output(run))
            assert (await anext(log)).number == 3
            await settle(store, run, streamed(run))

            assert [entry.number async for entry in log] == [4]


@pytest.mark.slow
async def test_watchers_miss_nothing_when_their_connections_are_cut_again_and_again(
    proxy: Proxy, namespace: str
) -> None:
    async with open_store(proxy.url, namespace=namespace) as store:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        async with asyncio.TaskGroup() as tasks:
            watchers = [tasks.create_task(whole_log(store, run.id)) for _ in range(5)]
            for number in range(1, 61):
                await append(store, run, number, output(run))
                if number % 10 == 0:
                    proxy.cut()
            await settle(store, run, streamed(run))

        assert [[entry.number for entry in watcher.result()] for watcher in watchers] == [list(range(1, 64))] * 5


@pytest.mark.slow
async def test_a_watcher_that_is_too_slow_gets_the_rest_from_the_log(store: RedisStore) -> None:
    prediction = await store.create(a_prediction())
    run = await claimed(store, prediction)
    published = follow.QUEUE_LIMIT * 3

    async with asyncio.timeout(PATIENCE), aclosing(store.follow(prediction.id)) as log:
        await anext(log)
        for number in range(1, published + 1):
            await append(store, run, number, output(run))
        await settle(store, run, streamed(run))

        assert [entry.number async for entry in log] == list(range(2, published + 4))


async def test_an_event_that_was_never_published_is_read_from_the_log(
    store: RedisStore, line: Batcher, namespace: str
) -> None:
    run = await a_run(store)
    async with asyncio.timeout(PATIENCE), aclosing(store.follow(run.id)) as log:
        assert [(await anext(log)).number for _ in range(2)] == [1, 2]

        await ask(line, "RPUSH", f"{namespace}:e:{run.id}", events.encode(output(run)))
        await settle(store, run, streamed(run))

        assert [entry.number async for entry in log] == [3, 4]


async def test_a_log_of_many_pages_is_followed_to_its_end(store: RedisStore) -> None:
    run = await a_run(store)
    for number in range(1, 4):
        await append(store, run, number, *[output(run) for _ in range(follow.PAGE - 1)])
    await settle(store, run, streamed(run))

    log = await whole_log(store, run.id)

    assert [entry.number for entry in log] == list(range(1, 3 * follow.PAGE + 1))


async def test_a_watcher_is_told_when_the_server_stays_away(mortal: RedisServer) -> None:
    async with open_store(mortal.url, patience=0.1) as store:
        prediction = await store.create(a_prediction())
        async with asyncio.timeout(PATIENCE), aclosing(store.follow(prediction.id)) as log:
            await anext(log)
            mortal.kill()

            with pytest.raises(StoreUnavailable):
                await anext(log)


async def test_a_watcher_is_told_when_the_store_is_closed(server: RedisServer, namespace: str) -> None:
    async with open_store(server.url, namespace=namespace) as store:
        prediction = await store.create(a_prediction())
        log = store.follow(prediction.id)
        await anext(log)

    async with asyncio.timeout(PATIENCE), aclosing(log):
        with pytest.raises(StoreUnavailable):
            await anext(log)


async def test_the_last_watcher_ends_the_subscription(store: RedisStore, line: Batcher, namespace: str) -> None:
    async def channels() -> Reply:
        return await ask(line, "PUBSUB", "CHANNELS", f"{namespace}:*")

    prediction = await store.create(a_prediction())
    async with aclosing(store.follow(prediction.id)) as stays:
        await anext(stays)
        async with aclosing(store.follow(prediction.id)) as leaves:
            await anext(leaves)
        assert await channels() == [f"{namespace}:e:{prediction.id}".encode()]

    await eventually(channels, lambda found: found == [])


async def test_a_silent_connection_is_replaced(mortal: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "PING_EVERY", 0.02)
    monkeypatch.setattr(subscriptions, "ANSWER_TIMEOUT", 0.02)
    async with open_store(mortal.url) as store, open_line(mortal.url) as line, asyncio.TaskGroup() as tasks:
        prediction = await store.create(a_prediction())
        watcher = tasks.create_task(whole_log(store, prediction.id))
        await eventually(lambda: ask(line, "PUBSUB", "CHANNELS"), bool)
        before = await statistic(line, "total_connections_received")

        mortal.signal(signal.SIGSTOP)
        await asyncio.wait([watcher], timeout=0.2)
        mortal.signal(signal.SIGCONT)

        await eventually(lambda: statistic(line, "total_connections_received"), lambda now: now > before)
        await store.end(prediction.id, canceled())

    assert [entry.number for entry in watcher.result()] == [1, 2]
