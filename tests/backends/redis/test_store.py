"""The Redis store against real servers."""

from __future__ import annotations

import re
import time

import pytest
from msgspec.structs import replace

from leveret.backends.redis import replies, scripts
from leveret.backends.redis import store as redis_store
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.commands import Commands
from leveret.backends.redis.connection import Command, Reply
from leveret.backends.redis.keys import Keys
from leveret.backends.redis.store import RedisStore
from leveret.core.events import Canceled, Ending, Failed, Why
from leveret.core.limits import Allowance
from leveret.core.once import Once, Sent
from leveret.core.ports import Finished, Query, Running
from leveret.core.prediction import HookEvent, Status, Webhook
from leveret.core.webhooks import Call
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    a_run,
    append,
    canceled,
    claimed,
    eventually,
    failed,
    fresh_id,
    reset,
    settle,
    succeeded,
)
from leveret.testing.conformance.registry import ECHO
from leveret.testing.conformance.store import StoreConformance
from leveret.testing.conformance.upkeep import WaitingConformance
from tests.backends.redis.steps import ask, keys, output, state


class TestConformance(StoreConformance, WaitingConformance):
    """Everything that every store must do."""


async def test_a_bucket_from_before_the_clock_was_set_back_is_full(
    store: RedisStore, line: Batcher, namespace: str
) -> None:
    later = f"{(time.time() + 3600) * 1000:.0f}"
    await ask(line, "HSET", Keys(namespace).usage, "alice bucket", f"0 {later}")

    await store.create(a_prediction(account="alice"), within=Allowance(rate=0.001))

    assert f"0 {later}".encode() != replies.text(await ask(line, "HGET", Keys(namespace).usage, "alice bucket"))


async def test_nothing_is_left_of_what_has_ended(store: RedisStore, line: Batcher, namespace: str) -> None:
    runs = [await a_run(store) for _ in range(4)]
    rebuilt = await claimed(store, a_prediction())
    queued = await store.create(a_prediction())
    ways: list[Ending] = [succeeded(runs[0]), failed(runs[1]), Canceled(at=time.time(), attempt=1), reset(runs[3])]
    await store.settle(list(zip(runs, ways, strict=True)), worker="w1")
    await settle(store, rebuilt, succeeded(rebuilt))
    for left in (runs[3].id, queued.id):
        await store.end(left, canceled())

    kinds = {key.split(b":")[1] for key in await keys(line, namespace)}
    assert kinds == {b"p", b"e", b"account", b"expiry", b"lines"}  # one hash of lines, however many there were


async def test_what_loses_its_data_while_it_is_read_is_shown_without_and_harms_no_list(store: RedisStore) -> None:
    run = await a_run(store)
    await store.append(run, [output(run)], worker="w1", number=1)
    await settle(store, run, succeeded(run))
    read = await store._snapshots([run.id])  # what a list begins with, before it looks into the logs
    await store.remove_data([await store.get(run.id)])

    assert [(run.id, Status.SUCCEEDED)] == [(one.id, one.status) for one in await store._whole(read)]

    await store.remove_records([await store.get(run.id)])

    assert [] == await store._whole(read)


async def test_nothing_is_left_of_a_deadline_once_it_is_met_or_the_prediction_has_ended(
    store: RedisStore, line: Batcher, namespace: str
) -> None:
    later = time.time() + LONG
    late, ended, settled = [
        await store.create(replace(a_prediction(), start_by=start_by, deadline=deadline))
        for start_by, deadline in [(1.0, later), (None, later), (later, later)]
    ]
    run = await claimed(store, settled)
    started = await claimed(store, replace(a_prediction(), start_by=later))
    assert await ask(line, "ZCARD", f"{namespace}:deadlines") == 3  # that one has been met

    assert await store.claim([late], worker="w1", lease=LONG) == [Finished()]
    await store.end(ended.id, canceled())
    await settle(store, run, succeeded(run))

    assert f"{namespace}:deadlines".encode() not in await keys(line, namespace)
    assert await settle(store, started, succeeded(started))


async def test_what_has_no_deadline_asks_nothing_more_of_the_server(line: Batcher, namespace: str) -> None:
    commands = Commands(keys=Keys(namespace), scripts=scripts.load())
    prediction = a_prediction()
    run = Running(prediction.id, 1)
    await line.send([("CONFIG", "RESETSTAT")])

    await ask(line, *commands.create(prediction, at=1.0))
    await ask(line, *commands.claims([prediction], worker="w1", lease=LONG, most=3, at=2.0)[0])
    await ask(line, *commands.end(run.id, succeeded(run), worker="w1"))

    calls = replies.text(await ask(line, "INFO", "commandstats"))
    assert calls is not None
    counted = {name: int(count) for name, count in re.findall(rb"cmdstat_(z\w+):calls=(\d+)", calls)}
    assert counted == {
        b"zadd": 4,
        b"zrem": 5,
    }  # account, outbox, lease, expiry; and what waits, when it begins and when it ends


async def test_a_record_that_is_gone_is_not_asked_for_again(store: RedisStore, line: Batcher, namespace: str) -> None:
    gone, stays = await store.create(a_prediction()), await store.create(a_prediction())
    await ask(line, "DEL", f"{namespace}:p:{gone.id}", f"{namespace}:e:{gone.id}")

    assert await store.unpublished(age=0, hold=0, limit=10) == [stays]

    assert await ask(line, "ZRANGE", f"{namespace}:outbox", 0, -1) == [stays.id.encode()]


async def test_what_waits_and_is_gone_is_not_asked_for_again(store: RedisStore, line: Batcher, namespace: str) -> None:
    gone, stays = await store.create(a_prediction()), await store.create(a_prediction())
    await store.published([gone.id, stays.id])
    await ask(line, "DEL", f"{namespace}:p:{gone.id}", f"{namespace}:e:{gone.id}")

    assert [one.id for one in await store.waiting(age=0, hold=0, limit=10)] == [stays.id]

    assert await ask(line, "ZRANGE", f"{namespace}:waiting", 0, -1) == [stays.id.encode()]


async def test_the_presence_of_lost_workers_is_forgotten(store: RedisStore, line: Batcher, namespace: str) -> None:
    await store.announce(ECHO, worker="lost", lease=0.02, problem="no device")
    await eventually(store.cards, lambda listings: listings[0].workers == 0)

    await store.announce(ECHO, worker="alive", lease=LONG)

    assert await ask(line, "ZRANGE", f"{namespace}:presence", 0, -1) == [b"local/echo alive"]
    assert await ask(line, "HLEN", f"{namespace}:problems") == 0


async def test_the_same_call_twice_is_the_same_as_once(line: Batcher, namespace: str) -> None:
    commands = Commands(keys=Keys(namespace), scripts=scripts.load())
    prediction = a_prediction()
    run = Running(prediction.id, 1)
    steps: list[Command] = [
        commands.create(prediction, at=1.0),
        commands.published([prediction.id]),
        *commands.claims([prediction], worker="w1", lease=LONG, most=None, at=2.0),
        commands.append(run, [output(run)], worker="w1", number=1),
        commands.beat(run, worker="w1", lease=LONG),
        commands.end(run.id, reset(run), worker="w1"),
        *commands.claims([prediction], worker="w2", lease=LONG, most=None, at=3.0),
        commands.cancel(run.id),
        commands.beat(Running(run.id, 2), worker="w2", lease=LONG),
        commands.end(run.id, succeeded(Running(run.id, 2)), worker="w2"),
        commands.cancel(run.id),
    ]
    answers: list[Reply] = []

    for step in steps:
        first = await ask(line, *step)
        before = await state(line, namespace)
        answers += (first, await ask(line, *step))
        assert await state(line, namespace) == before

    assert answers[0::2] == [[0, 1], 1, [1, 0, b""], 1, 1, 1, [2, 1, b""], b"w2", 2, 1, 0]
    assert answers[1::2] == [-1, *answers[2::2]]


async def test_a_reset_that_comes_again_late_does_not_touch_the_next_run(store: RedisStore) -> None:
    prediction = await store.create(a_prediction())
    first = await claimed(store, prediction)
    await settle(store, first, reset(first))
    second = await claimed(store, prediction)

    assert not await settle(store, first, reset(first))

    assert await settle(store, second, succeeded(second))


async def test_a_search_fetches_only_what_it_finds(store: RedisStore, line: Batcher) -> None:
    for _ in range(20):
        await store.create(a_prediction(model="local/echo"))
    wanted = [await store.create(a_prediction(model="local/other")) for _ in range(2)]
    await line.send([("CONFIG", "RESETSTAT")])

    found = await store.search(Query(account=wanted[0].account, model="local/other", status=Status.STARTING))

    (stats,) = await line.send([("INFO", "commandstats")])
    assert isinstance(stats, bytes)
    assert {one.id for one in wanted} == {one.id for one in found}
    assert b"cmdstat_hgetall:calls=2," in stats


async def test_a_search_looks_further_until_its_page_is_full(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "_PAGE", 3)
    first, *ids = sorted(fresh_id() for _ in range(7))
    oldest = await store.create(replace(a_prediction(model="local/other"), id=first))
    for one in ids:
        await store.create(replace(a_prediction(model="local/echo"), id=one))
    query = Query(account=oldest.account, model="local/other")

    assert [oldest.id] == [one.id for one in await store.search(query)]
    monkeypatch.setattr(redis_store, "_PAGES", 2)
    assert await store.search(query) == []


async def test_nothing_at_all_is_left_of_what_is_forgotten(store: RedisStore, line: Batcher, namespace: str) -> None:
    once = Once("k1", Sent.NAMED, LONG)
    hook = Webhook("https://example.com/")
    call = Call(at=1.7e9, event=HookEvent.COMPLETED, webhook_id="m1", attempt=1, seconds=0.1, status=200)
    created = await store.create(replace(a_prediction(), deadline=time.time() + LONG, webhook=hook), once=once)
    run = await claimed(store, created)
    await append(store, run, 1, output(run))
    await settle(store, run, succeeded(run))
    await store.called(run.id, call, told=9)
    deleted = await store.create(replace(a_prediction(), webhook=hook))
    await store.end(deleted.id, Failed(at=time.time(), error="no", dead=Why.UNDELIVERABLE))
    await store.delete(await store.get(deleted.id))

    ended = await store.get(run.id)
    await store.remove_data([ended])
    await store.remove_records([ended, deleted])

    assert await keys(line, namespace) == [f"{namespace}:lines".encode()]  # the counts, of the model and not of these


async def test_what_clients_may_send_again_is_forgotten_by_redis_itself(
    store: RedisStore, line: Batcher, namespace: str
) -> None:
    marks = [Once("k1", sent, 5.0) for sent in Sent]
    for once in marks:
        created = await store.create(a_prediction(), once=once)
    await store.missed(created, marks[-1])

    left = [await ask(line, "PTTL", f"{namespace}:{kind}:alice:k1") for kind in ("once", "missed")]

    assert all(isinstance(one, int) and 0 < one <= 5000 for one in left)
