"""What happens when the server dies, restarts, hangs or loses its answers."""

from __future__ import annotations

import asyncio
import signal

import pytest
from msgspec import Raw

from leveret.backends.redis import batcher
from leveret.backends.redis.connection import Connector
from leveret.backends.redis.store import RedisStore, open_store
from leveret.core.ports import Claimed, Pulse, Running
from leveret.core.prediction import Prediction, Status
from leveret.errors import InvalidSetting, StoreUnavailable
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    append,
    canceled,
    claimed,
    eventually,
    settle,
    streamed,
    whole_log,
)
from leveret.testing.redis_server import RedisMissing, RedisServer
from tests.backends.redis.proxy import Proxy
from tests.backends.redis.steps import output


async def test_what_was_answered_survives_a_crash_and_what_is_in_flight_waits_for_the_restart(
    mortal: RedisServer,
) -> None:
    async with open_store(mortal.url) as store:
        before = [await store.create(a_prediction(account=f"a{number}")) for number in range(50)]
        in_flight = [asyncio.create_task(store.create(a_prediction(account=f"b{number}"))) for number in range(50)]
        await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)

        mortal.kill()
        later = [asyncio.create_task(store.create(a_prediction(account=f"c{number}"))) for number in range(50)]
        await asyncio.to_thread(mortal.start)
        created = await asyncio.gather(*in_flight, *later)

        for prediction in before + created:
            assert await store.get(prediction.id) == prediction


@pytest.mark.slow
async def test_a_crash_between_every_step_loses_and_repeats_nothing(mortal: RedisServer) -> None:
    async def crash() -> None:
        mortal.kill()
        await asyncio.to_thread(mortal.start)

    async with open_store(mortal.url) as store:
        prediction = await store.create(a_prediction())
        await crash()
        run = await claimed(store, prediction)
        await crash()
        assert await append(store, run, 1, output(run))
        await crash()
        assert await settle(store, run, streamed(run))
        await crash()

        assert (await store.get(run.id)).output == Raw(b"[1]")
        assert [entry.number for entry in await whole_log(store, run.id)] == [1, 2, 3, 4]


@pytest.mark.slow
async def test_work_goes_on_through_a_series_of_crashes(mortal: RedisServer) -> None:
    async def live(store: RedisStore, number: int) -> Prediction:
        prediction = await store.create(a_prediction(account=f"account-{number}"))
        run = await claimed(store, prediction)
        await append(store, run, 1, output(run))
        assert await settle(store, run, streamed(run))
        return await store.get(prediction.id)

    async with open_store(mortal.url) as store:
        lives = [asyncio.create_task(live(store, number)) for number in range(300)]
        for _ in range(4):
            await asyncio.wait(lives, return_when=asyncio.FIRST_COMPLETED)
            mortal.kill()
            await asyncio.to_thread(mortal.start)
        records = await asyncio.gather(*lives)

        assert {(record.status, bytes(record.output), record.attempt) for record in records} == {
            (Status.SUCCEEDED, b"[1]", 1)
        }
        assert {len(await whole_log(store, record.id)) for record in records} == {4}


@pytest.mark.slow
async def test_calls_fail_when_the_server_stays_away(mortal: RedisServer) -> None:
    async with open_store(mortal.url, patience=0.1) as store:
        mortal.kill()

        with pytest.raises(StoreUnavailable):
            await store.get("anything")

        await asyncio.to_thread(mortal.start)
        assert await store.create(a_prediction())


@pytest.mark.slow
async def test_a_store_opens_without_a_server_and_finds_it_later(mortal: RedisServer) -> None:
    mortal.kill()

    async with open_store(mortal.url, patience=0.1) as store:
        with pytest.raises(StoreUnavailable):
            await store.get("anything")
        await asyncio.to_thread(mortal.start)

        assert await store.create(a_prediction())


@pytest.mark.parametrize("rest", ["notanumber", "0?unknown=1", "0?db=x"])
async def test_a_malformed_url_is_refused(rest: str) -> None:
    with pytest.raises(InvalidSetting):
        async with open_store(f"redis://127.0.0.1:1/{rest}"):
            pass


@pytest.mark.slow
async def test_calls_wait_while_the_server_loads_its_files(proxy: Proxy, namespace: str) -> None:
    proxy.loading = True

    async with asyncio.TaskGroup() as tasks:
        created = tasks.create_task(_create_one(proxy.url, namespace))
        await eventually(proxy.connected, lambda connections: connections > 2)
        assert not created.done()
        proxy.loading = False

    assert created.result().status is Status.STARTING


async def test_calls_whose_answers_were_lost_are_sent_again_without_harm(proxy: Proxy, namespace: str) -> None:
    async with open_store(proxy.url, namespace=namespace) as store:

        def lose_the_answers() -> None:
            proxy.cut_before_answers = 1

        lose_the_answers()
        predictions = await asyncio.gather(*[store.create(a_prediction(account=f"a{n}")) for n in range(20)])
        lose_the_answers()
        claims = await store.claim(predictions, worker="w1", lease=LONG)
        runs = [Running(prediction.id, 1) for prediction in predictions]
        lose_the_answers()
        appended = await asyncio.gather(*[append(store, run, 1, output(run)) for run in runs])
        lose_the_answers()
        settled = await store.settle([(run, streamed(run)) for run in runs], worker="w1")
        lose_the_answers()
        records = await asyncio.gather(*[store.get(run.id) for run in runs])

        assert claims == [Claimed(1)] * 20
        assert appended == [True] * 20
        assert settled == [Pulse.OURS] * 20
        assert {bytes(record.output) for record in records} == {b"[1]"}
        assert {record.lane for record in records} == {0}
        assert {len(await whole_log(store, run.id)) for run in runs} == {4}


async def test_ending_from_outside_is_answered_truly_when_the_first_answer_was_lost(
    proxy: Proxy, namespace: str
) -> None:
    async with open_store(proxy.url, namespace=namespace) as store:
        prediction = await store.create(a_prediction())
        proxy.cut_before_answers = 1

        assert await store.end(prediction.id, canceled())


async def test_a_server_that_hangs_is_left_for_another_connection(
    mortal: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "ANSWER_TIMEOUT", 0.05)

    async with open_store(mortal.url) as store, asyncio.TaskGroup() as tasks:
        mortal.signal(signal.SIGSTOP)
        created = tasks.create_task(store.create(a_prediction()))
        await asyncio.wait([created], timeout=0.1)
        mortal.signal(signal.SIGCONT)

    assert created.result().status is Status.STARTING


async def test_calls_fail_when_the_store_is_closed(server: RedisServer) -> None:
    async with open_store(server.url) as store:
        pass

    with pytest.raises(StoreUnavailable):
        await store.get("anything")


def test_a_url_that_is_not_one_is_refused() -> None:
    with pytest.raises(InvalidSetting):
        Connector("http://127.0.0.1")


def test_a_missing_server_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(RedisMissing, match="apt install redis-server"), RedisServer():
        pass


async def _create_one(url: str, namespace: str) -> Prediction:
    async with open_store(url, namespace=namespace) as store:
        return await store.create(a_prediction())
