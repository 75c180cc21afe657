"""Replies on RabbitMQ and Redis: wherever somebody dies, and to queues of every kind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeAlias

import pika
import pytest
from msgspec.structs import replace
from pika.adapters.blocking_connection import BlockingChannel

from leveret import replies as replies_module
from leveret.backends.files import FileBlobs
from leveret.backends.rabbitmq import RabbitBroker, open_broker
from leveret.backends.redis.store import RedisStore, open_store
from leveret.core.events import Succeeded
from leveret.core.ports import Running
from leveret.core.prediction import Blob, Prediction, ReplyTo
from leveret.gateway.files.links import Links
from leveret.gateway.views import LARGEST_MESSAGE, Views
from leveret.replies import Replies
from leveret.testing.conformance.arrange import a_prediction, canceled, claimed, settle, succeeded
from leveret.testing.conformance.steps import PATIENCE
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer

pytestmark = pytest.mark.slow

Shown: TypeAlias = dict[str, object]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[RabbitServer, RedisServer]]:
    with RabbitServer() as rabbit, RedisServer() as redis:
        yield rabbit, redis


@pytest.fixture
async def store(servers: tuple[RabbitServer, RedisServer], tmp_path: Path) -> AsyncIterator[RedisStore]:
    async with open_store(servers[1].url, namespace=tmp_path.name) as store:
        yield store


@pytest.fixture
async def broker(servers: tuple[RabbitServer, RedisServer]) -> AsyncIterator[RabbitBroker]:
    async with open_broker(servers[0].url) as broker:
        yield broker


@pytest.fixture
def replies(broker: RabbitBroker, store: RedisStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replies:
    monkeypatch.setattr(replies_module, "AGE", 0.0)
    links = Links(secrets=store, lifetime=60.0)
    views = Views(blobs=FileBlobs(tmp_path), links=links, base_url="")
    return Replies(broker=broker, store=store, show=views.message, hold=0.0)


@pytest.fixture
def asker(servers: tuple[RabbitServer, RedisServer]) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(pika.URLParameters(servers[0].url)) as connection:
        yield connection.channel()


def queue(asker: BlockingChannel, *, most: int = 100) -> ReplyTo:
    full = {"x-max-length": most, "x-overflow": "reject-publish"}
    return ReplyTo(asker.queue_declare("", exclusive=True, arguments=full).method.queue, "17")


def replied(asker: BlockingChannel, to: ReplyTo) -> list[Shown]:
    """What has come there since the last look."""
    found: list[Shown] = []
    while (body := asker.basic_get(to.queue, auto_ack=True)[2]) is not None:
        found.append(json.loads(body))
    return found


async def settled(store: RedisStore, to: ReplyTo, *, output: bytes = b'"done"') -> Running:
    """A run that its worker has recorded as ended; and then it died."""
    run = await claimed(store, replace(a_prediction(), reply_to=to))
    assert await settle(store, run, succeeded(run, output))
    return run


async def dealt_with(replies: Replies, *predictions: Prediction) -> None:
    """A worker has dealt with these, and is stopped right then."""
    running = asyncio.create_task(replies.run())
    await asyncio.sleep(0)  # it has begun to wait
    for one in predictions:
        replies.add(one)
    running.cancel()
    await asyncio.wait([running], timeout=PATIENCE)


async def owed(store: RedisStore) -> list[str]:
    return await store.unreplied(age=0, hold=0.0, limit=10)


async def test_a_sweep_replies_for_who_died_after_the_end_and_only_once(
    replies: Replies, store: RedisStore, asker: BlockingChannel
) -> None:
    to = queue(asker)
    run = await settled(store, to)

    await replies.collect()
    await replies.collect()

    assert [(run.id, "succeeded", "done")] == [(one["id"], one["status"], one["output"]) for one in replied(asker, to)]


async def test_what_has_just_ended_is_left_to_its_worker(
    replies: Replies, store: RedisStore, asker: BlockingChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    to = queue(asker)
    run = await settled(store, to)

    await replies.collect()

    assert ([run.id], []) == (await owed(store), replied(asker, to))


async def test_a_worker_sends_what_it_has_ended_even_if_it_is_stopped_right_then(
    replies: Replies, store: RedisStore, asker: BlockingChannel
) -> None:
    to = queue(asker)
    run = await settled(store, to)

    await dealt_with(replies, await store.get(run.id))

    assert ([], [run.id]) == (await owed(store), [one["id"] for one in replied(asker, to)])


async def test_of_what_has_not_ended_nothing_is_sent(
    replies: Replies, store: RedisStore, asker: BlockingChannel
) -> None:
    to, last = queue(asker), queue(asker)
    goes_on = await claimed(store, replace(a_prediction(), reply_to=to))
    ended, unknown = await settled(store, last), replace(a_prediction(), reply_to=to)

    await dealt_with(
        replies, await store.get(goes_on.id), unknown, await store.get(ended.id), await store.create(a_prediction())
    )

    assert ([], [ended.id]) == (replied(asker, to), [one["id"] for one in replied(asker, last)])


async def test_a_message_that_was_published_again_has_a_queue_of_its_own(
    replies: Replies, store: RedisStore, asker: BlockingChannel
) -> None:
    first, second = queue(asker), queue(asker)
    run = await settled(store, first)

    await dealt_with(replies, replace(await store.get(run.id), reply_to=second))
    await replies.collect()

    assert [[run.id], [run.id]] == [[one["id"] for one in replied(asker, to)] for to in (first, second)]


async def test_what_is_ended_from_outside_is_replied_too(
    replies: Replies, store: RedisStore, asker: BlockingChannel
) -> None:
    to = queue(asker)
    prediction = await store.create(replace(a_prediction(), reply_to=to))
    await store.end(prediction.id, canceled("no longer wanted"))

    await replies.collect()

    assert [("canceled", "no longer wanted")] == [(one["status"], one["error"]) for one in replied(asker, to)]


async def test_a_queue_that_is_gone_is_owed_nothing(replies: Replies, store: RedisStore) -> None:
    await settled(store, ReplyTo("nobody's"))

    await replies.collect()

    assert [] == await owed(store)


async def test_a_queue_that_is_full_is_owed_it_until_it_is_not(
    replies: Replies, store: RedisStore, asker: BlockingChannel
) -> None:
    to = queue(asker, most=1)
    asker.basic_publish("", to.queue, b'{"id":"in the way"}')
    run = await settled(store, to)

    await replies.collect()
    assert ([run.id], ["in the way"]) == (await owed(store), [one["id"] for one in replied(asker, to)])

    await replies.collect()
    assert ([], [run.id]) == (await owed(store), [one["id"] for one in replied(asker, to)])


@pytest.mark.parametrize("kept", [True, False], ids=["too large", "gone"])
async def test_data_that_are_too_large_or_gone_are_left_out_and_it_says_so(
    replies: Replies, store: RedisStore, asker: BlockingChannel, *, kept: bool
) -> None:
    to = queue(asker)
    if kept:
        await settled(store, to, output=b'"%s"' % (b"x" * LARGEST_MESSAGE))
    else:
        run = await claimed(store, replace(a_prediction(), reply_to=to))
        gone = Blob("outputs/gone.json", 9, "0" * 64)
        await settle(store, run, Succeeded(at=1.7e9, attempt=1, output_blob=gone))

    await replies.collect()

    (shown,) = replied(asker, to)
    assert ("succeeded", None, {}, True) == tuple(shown[name] for name in ("status", "output", "input", "data_removed"))
