from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from leveret.backends.rabbitmq import RabbitBroker, open_broker
from leveret.errors import BrokerUnavailable, InvalidSetting, PublishUnconfirmed
from leveret.testing.conformance.steps import MODEL, PATIENCE, eventually, prediction, publish, take, take_one
from leveret.testing.rabbitmq_server import RabbitServer
from tests.backends.rabbitmq.views import (
    accepting,
    blocked,
    collect,
    consumers,
    hears,
    plain_channel,
    published,
    seen_all,
    sent,
)

pytestmark = pytest.mark.slow


async def test_what_was_confirmed_survives_a_kill_and_everyone_goes_on(
    broker: RabbitBroker, server: RabbitServer
) -> None:
    await broker.declare(MODEL)
    await asyncio.to_thread(server.flush)
    confirmed: set[str] = set()
    seen: set[str] = set()
    numbers = itertools.count()
    well_on_its_way = asyncio.Event()

    async def publish_on() -> None:
        while True:
            one = prediction(next(numbers))
            await broker.publish(one)
            confirmed.add(one.id)
            if len(confirmed) > 500:
                well_on_its_way.set()

    async def publish_until_it_breaks() -> None:
        with pytest.raises((PublishUnconfirmed, BrokerUnavailable)):
            await publish_on()

    async with broker.consume(MODEL, ahead=64) as deliveries, asyncio.TaskGroup() as group:
        collecting = group.create_task(collect(deliveries, seen))
        publishing = [group.create_task(publish_until_it_breaks()) for _ in range(32)]
        await well_on_its_way.wait()
        server.kill()
        await asyncio.wait(publishing, timeout=PATIENCE)
        assert not broker.accepting
        await asyncio.to_thread(server.start)
        await eventually(accepting(broker), True)
        last = prediction(999, lane=3)
        await broker.publish(last)
        await eventually(seen_all(seen, confirmed | {last.id}), True)
        collecting.cancel()


@pytest.mark.parametrize("ahead", [0, 1])
async def test_a_consumption_goes_on_after_its_connection_was_closed(
    broker: RabbitBroker, server: RabbitServer, ahead: int
) -> None:
    await publish(broker, prediction(1))

    async with broker.consume(MODEL, ahead=ahead) as deliveries, broker.listen("worker") as messages:
        held = await take_one(deliveries)
        await asyncio.to_thread(server.ctl, "close_all_connections", "a test")
        again = await take_one(deliveries)
        held.ack()
        await eventually(accepting(broker), True)
        await broker.publish(prediction(2))
        again.ack()
        following = await take_one(deliveries)

        assert [prediction(1), prediction(2)] == [again.prediction, following.prediction]
        await eventually(hears(broker, messages), b"still there?")


async def test_a_lane_that_was_deleted_is_made_and_consumed_again(
    broker: RabbitBroker, server: RabbitServer, namespace: str
) -> None:
    await publish(broker, prediction(1), prediction(2, lane=1))

    async with broker.consume(MODEL, ahead=1) as deliveries:
        held = await take(deliveries, 2)
        with plain_channel(server) as channel:
            channel.queue_delete(f"{namespace}.local.echo.0")
        for delivery in held:
            delivery.ack()
        await eventually(published(broker, 3), True)

        assert prediction(3) == (await take_one(deliveries)).prediction


async def test_lanes_that_are_deleted_while_a_take_waits_just_in_time_are_made_and_consumed_again(
    broker: RabbitBroker, server: RabbitServer, namespace: str
) -> None:
    await publish(broker, prediction(1, lane=1))

    async with broker.consume(MODEL, ahead=0) as deliveries:
        held = await take_one(deliveries)
        waiting = asyncio.ensure_future(take_one(deliveries))
        with plain_channel(server) as channel:
            await eventually(consumers(channel, f"{namespace}.local.echo.3"), 1)
            for lane in (0, 3):
                channel.queue_delete(f"{namespace}.local.echo.{lane}")
        await eventually(published(broker, 2), True)
        again = await waiting
        held.ack()
        again.ack()

    assert prediction(2) == again.prediction
    await eventually(lambda: broker.depth(MODEL), (0, 0, 0, 0))


async def test_lanes_that_are_deleted_while_nothing_is_taken_are_made_by_the_next_take(
    broker: RabbitBroker, server: RabbitServer, namespace: str
) -> None:
    await publish(broker, prediction(1))

    async with broker.consume(MODEL, ahead=0) as deliveries:
        held = await take_one(deliveries)
        with plain_channel(server) as channel:
            channel.queue_delete(f"{namespace}.local.echo.0")
        held.ack()
        waiting = asyncio.ensure_future(take_one(deliveries))
        await eventually(published(broker, 2), True)

        assert prediction(2) == (await waiting).prediction


@pytest.mark.parametrize("ahead", [0, 1])
async def test_a_consumption_that_starts_before_the_queues_makes_them(broker: RabbitBroker, ahead: int) -> None:
    async with broker.consume(MODEL, ahead=ahead) as deliveries:
        waiting = asyncio.ensure_future(take_one(deliveries))
        await eventually(published(broker, 1), True)

        assert prediction(1) == (await waiting).prediction


async def test_errands_go_on_after_their_connection_was_closed(broker: RabbitBroker, server: RabbitServer) -> None:
    await broker.send(b"1")

    async with broker.errands(capacity=1) as errands:
        held = await anext(errands)
        await asyncio.to_thread(server.ctl, "close_all_connections", "a test")
        again = await asyncio.wait_for(anext(errands), PATIENCE)
        held.ack()
        again.ack()
        await eventually(sent(broker, b"2"), True)
        following = await asyncio.wait_for(anext(errands), PATIENCE)

    assert [b"1", b"2"] == [again.body, following.body]


async def test_a_queue_of_errands_that_was_deleted_is_made_and_consumed_again(
    broker: RabbitBroker, server: RabbitServer, namespace: str
) -> None:
    await broker.send(b"1")

    async with broker.errands(capacity=1) as errands:
        (await anext(errands)).ack()
        with plain_channel(server) as channel:
            channel.queue_delete(f"{namespace}.webhooks")
        await eventually(sent(broker, b"2"), True)

        assert b"2" == (await asyncio.wait_for(anext(errands), PATIENCE)).body


async def test_a_broker_that_blocks_publishers_is_unavailable_at_once(
    broker: RabbitBroker, server: RabbitServer
) -> None:
    await broker.declare(MODEL)

    async with blocked(server, broker):
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await broker.publish(prediction(2))
        assert time.monotonic() - began < 0.1

    await eventually(accepting(broker), True)
    await broker.publish(prediction(3))


@pytest.mark.parametrize("ahead", [0, 1])
async def test_a_retry_that_cannot_be_published_comes_again_all_the_same(
    broker: RabbitBroker, server: RabbitServer, ahead: int
) -> None:
    await publish(broker, prediction(1))

    async with broker.consume(MODEL, ahead=ahead) as deliveries, blocked(server, broker):
        await (await take_one(deliveries)).retry(300)

        assert prediction(1) == (await take_one(deliveries)).prediction


async def test_a_retry_that_cannot_be_published_for_long_comes_more_and_more_rarely(
    broker: RabbitBroker, server: RabbitServer
) -> None:
    await publish(broker, prediction(1))
    at: list[float] = []

    async with broker.consume(MODEL, ahead=1) as deliveries, blocked(server, broker):
        for _ in range(4):
            held = await take_one(deliveries)
            at.append(time.monotonic())
            await held.retry(300)

    assert at[3] - at[2] > 3.5  # each return counts, and too many would make a dead letter of it


async def test_a_delivery_that_was_lost_and_is_given_back_comes_in_time(
    broker: RabbitBroker, server: RabbitServer
) -> None:
    await publish(broker, prediction(1))

    async with broker.consume(MODEL, ahead=0) as deliveries:
        held = await take_one(deliveries)
        await asyncio.to_thread(server.ctl, "close_all_connections", "a test")
        await (await take_one(deliveries)).retry(3600)
        await eventually(accepting(broker), True)
        await held.retry(0)

        assert prediction(1) == (await take_one(deliveries)).prediction


async def test_a_delivery_that_cannot_be_guarded_is_still_in_hand(broker: RabbitBroker, server: RabbitServer) -> None:
    await publish(broker, prediction(1))

    async with broker.consume(MODEL, ahead=0) as deliveries, blocked(server, broker):
        held = await take_one(deliveries)
        with pytest.raises(BrokerUnavailable):
            await held.guard(300)
        await held.retry(0)

        assert prediction(1) == (await take_one(deliveries)).prediction


async def test_without_a_server_the_broker_is_there_and_unavailable() -> None:
    async with open_broker("amqp://127.0.0.1:1/") as broker:
        assert not broker.accepting
        with pytest.raises(BrokerUnavailable):
            await broker.publish(prediction())


@pytest.mark.parametrize("urls", ["", " , ", "redis://localhost", "amqp://localhost/?nonsense=1"])
async def test_urls_that_are_not_amqp_are_refused(urls: str) -> None:
    with pytest.raises(InvalidSetting):
        async with open_broker(urls):
            pass
