from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from leveret.backends.rabbitmq import RabbitBroker, open_broker
from leveret.core import wire
from leveret.core.ports import Deliveries
from leveret.errors import BrokerUnavailable, InvalidSetting, PublishUnconfirmed, QueueRefused
from leveret.testing.conformance.broker import BrokerConformance, DeadLetters
from leveret.testing.conformance.steps import MODEL, PATIENCE, eventually, prediction, publish, take, take_one
from leveret.testing.rabbitmq_server import RabbitServer

pytestmark = pytest.mark.slow

Probe: TypeAlias = Callable[[], Awaitable[object]]

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[RabbitServer]:
    with RabbitServer() as running:
        yield running


@pytest.fixture
def namespace() -> str:
    return f"test-{next(_numbers)}"


@pytest.fixture
async def broker(server: RabbitServer, namespace: str) -> AsyncIterator[RabbitBroker]:
    async with open_broker(server.url, namespace=namespace) as opened:
        yield opened


@pytest.fixture
def dead_letters(server: RabbitServer, namespace: str) -> DeadLetters:
    found: list[str] = []

    async def drained() -> list[str]:
        with plain_channel(server) as channel:
            while (got := channel.basic_get(f"{namespace}.dead", auto_ack=True))[0] is not None:
                found.append(str(got[1].message_id))
        return found

    return drained


@contextmanager
def plain_channel(server: RabbitServer) -> Iterator[BlockingChannel]:
    """What a program without Leveret sees."""
    with pika.BlockingConnection(pika.URLParameters(server.url)) as connection:
        yield connection.channel()


async def collect(deliveries: Deliveries, into: set[str]) -> None:
    while True:
        for delivery in await deliveries.take(16):
            into.add(delivery.prediction.id)
            delivery.ack()


@asynccontextmanager
async def blocked(server: RabbitServer, broker: RabbitBroker) -> AsyncIterator[None]:
    """The broker is out of memory, and has noticed that we publish."""
    await asyncio.to_thread(server.ctl, "set_vm_memory_high_watermark", "0")
    try:
        with pytest.raises(PublishUnconfirmed):
            await broker.publish(prediction(99, lane=3))
        assert not broker.accepting
        yield
    finally:
        await asyncio.to_thread(server.ctl, "set_vm_memory_high_watermark", "0.4")


def accepting(broker: RabbitBroker) -> Probe:
    async def probe() -> bool:
        return broker.accepting

    return probe


def seen_all(seen: set[str], expected: set[str]) -> Probe:
    async def probe() -> bool:
        return expected <= seen

    return probe


def published(broker: RabbitBroker, number: int) -> Probe:
    async def probe() -> bool:
        try:
            await broker.publish(prediction(number))
        except QueueRefused:
            return False
        return True

    return probe


def hears(broker: RabbitBroker, messages: AsyncIterator[bytes]) -> Probe:
    async def probe() -> bytes:
        await broker.tell("worker", b"still there?")
        try:
            return await asyncio.wait_for(anext(messages), 0.5)
        except TimeoutError:
            return b""

    return probe


class TestRabbitBroker(BrokerConformance):
    """Everything that a Broker must do."""


class TestMessages:
    async def test_a_message_is_persistent_and_carries_its_id_and_type(
        self, broker: RabbitBroker, server: RabbitServer, namespace: str
    ) -> None:
        await publish(broker, prediction(lane=2))

        with plain_channel(server) as channel:
            _, properties, body = channel.basic_get(f"{namespace}.{MODEL.replace('/', '.')}.2")

        assert properties is not None
        assert (2, prediction(lane=2).id) == (properties.delivery_mode, properties.message_id)
        assert properties.content_type == wire.CONTENT_TYPE
        assert body == wire.encode(prediction(lane=2))

    async def test_models_that_differ_in_where_the_dot_stands_are_separate(self, broker: RabbitBroker) -> None:
        await publish(broker, prediction(model="a.b/c"), prediction(model="a/b.c"))

        async with broker.consume("a.b/c", capacity=2) as one, broker.consume("a/b.c", capacity=2) as other:
            assert (await take_one(one)).prediction.model == "a.b/c"
            assert (await take_one(other)).prediction.model == "a/b.c"

    async def test_a_foreign_message_becomes_a_dead_letter_and_the_next_one_is_served(
        self, broker: RabbitBroker, server: RabbitServer, namespace: str, dead_letters: DeadLetters
    ) -> None:
        await broker.declare(MODEL)
        for_another_model = wire.encode(prediction(model="local/other"))
        with plain_channel(server) as channel:
            for number, body in enumerate([b"", b"\xff\x00", b'{"id": 1}', b"[" * 100_000, for_another_model]):
                properties = pika.BasicProperties(message_id=f"foreign-{number}")
                channel.basic_publish(namespace, "local.echo.0", body, properties)
        await broker.publish(prediction())

        async with broker.consume(MODEL, capacity=1) as deliveries:
            assert prediction() == (await take_one(deliveries)).prediction

        await eventually(dead_letters, [f"foreign-{number}" for number in range(5)])

    async def test_a_full_queue_refuses(self, server: RabbitServer, namespace: str) -> None:
        async with open_broker(server.url, namespace=namespace, max_length=3) as broker:
            await broker.declare(MODEL)

            async def fill() -> None:
                for number in range(20):  # the limit is overshot by what is on its way
                    await broker.publish(prediction(number))

            with pytest.raises(QueueRefused):
                await fill()

    async def test_queues_that_were_declared_with_other_arguments_are_used(
        self, broker: RabbitBroker, server: RabbitServer, namespace: str
    ) -> None:
        await broker.declare(MODEL)

        async with open_broker(server.url, namespace=namespace, max_length=7) as other:
            await publish(other, prediction())

        await eventually(lambda: broker.depth(MODEL), (1, 0, 0, 0))


class TestDeliveries:
    async def test_acks_out_of_order_are_all_kept(self, broker: RabbitBroker) -> None:
        await publish(broker, *(prediction(number) for number in range(30)))

        async with broker.consume(MODEL, capacity=30) as deliveries:
            taken = await take(deliveries, 30)
            for delivery in taken[1::3]:
                delivery.ack()
            await broker.depth(MODEL)
            for delivery in [*taken[27::-6], *taken[0::6]]:
                delivery.ack()

        async with broker.consume(MODEL, capacity=30) as deliveries:
            again = await take(deliveries, 10)
            assert [prediction(number) for number in range(2, 30, 3)] == [one.prediction for one in again]
            for delivery in again:
                delivery.ack()
        await eventually(lambda: broker.depth(MODEL), (0, 0, 0, 0))

    async def test_a_delivery_that_comes_back_too_often_becomes_a_dead_letter(
        self, broker: RabbitBroker, dead_letters: DeadLetters
    ) -> None:
        await publish(broker, prediction(1), prediction(2))

        async with broker.consume(MODEL, capacity=1) as deliveries:
            while (delivery := await take_one(deliveries)).prediction == prediction(1):
                await delivery.retry(0)

        await eventually(dead_letters, [prediction(1).id])

    async def test_a_retry_comes_back_to_its_lane(self, broker: RabbitBroker) -> None:
        await publish(broker, prediction(lane=2))

        async with broker.consume(MODEL, capacity=1) as deliveries:
            await (await take_one(deliveries)).retry(1)

        await eventually(lambda: broker.depth(MODEL), (0, 0, 1, 0))

    async def test_a_delivery_of_a_consumption_that_was_left_cannot_be_settled_any_more(
        self, broker: RabbitBroker, server: RabbitServer, namespace: str
    ) -> None:
        await publish(broker, prediction())
        async with broker.consume(MODEL, capacity=1) as deliveries:
            delivery = await take_one(deliveries)

        await delivery.retry(1)
        delivery.ack()
        delivery.reject()

        await eventually(lambda: broker.depth(MODEL), (1, 0, 0, 0))
        with plain_channel(server) as channel:
            assert channel.queue_declare(f"{namespace}.retry.1", passive=True).method.message_count == 0


class TestRecovery:
    async def test_what_was_confirmed_survives_a_kill_and_everyone_goes_on(
        self, broker: RabbitBroker, server: RabbitServer
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

        async with broker.consume(MODEL, capacity=64) as deliveries, asyncio.TaskGroup() as group:
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

    async def test_a_consumption_goes_on_after_its_connection_was_closed(
        self, broker: RabbitBroker, server: RabbitServer
    ) -> None:
        await publish(broker, prediction(1))

        async with broker.consume(MODEL, capacity=1) as deliveries, broker.listen("worker") as messages:
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
        self, broker: RabbitBroker, server: RabbitServer, namespace: str
    ) -> None:
        await publish(broker, prediction(1), prediction(2, lane=1))

        async with broker.consume(MODEL, capacity=1) as deliveries:
            held = await take(deliveries, 2)
            with plain_channel(server) as channel:
                channel.queue_delete(f"{namespace}.local.echo.0")
            for delivery in held:
                delivery.ack()
            await eventually(published(broker, 3), True)

            assert prediction(3) == (await take_one(deliveries)).prediction

    async def test_a_consumption_that_starts_before_the_queues_makes_them(self, broker: RabbitBroker) -> None:
        async with broker.consume(MODEL, capacity=1) as deliveries:
            await eventually(published(broker, 1), True)

            assert prediction(1) == (await take_one(deliveries)).prediction

    async def test_a_broker_that_blocks_publishers_is_unavailable_at_once(
        self, broker: RabbitBroker, server: RabbitServer
    ) -> None:
        await broker.declare(MODEL)

        async with blocked(server, broker):
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                await broker.publish(prediction(2))
            assert time.monotonic() - began < 0.1

        await eventually(accepting(broker), True)
        await broker.publish(prediction(3))

    async def test_a_retry_that_cannot_be_published_comes_again_all_the_same(
        self, broker: RabbitBroker, server: RabbitServer
    ) -> None:
        await publish(broker, prediction(1))

        async with broker.consume(MODEL, capacity=1) as deliveries, blocked(server, broker):
            await (await take_one(deliveries)).retry(300)

            assert prediction(1) == (await take_one(deliveries)).prediction

    async def test_without_a_server_the_broker_is_there_and_unavailable(self) -> None:
        async with open_broker("amqp://127.0.0.1:1/") as broker:
            assert not broker.accepting
            with pytest.raises(BrokerUnavailable):
                await broker.publish(prediction())

    @pytest.mark.parametrize("urls", ["", " , ", "redis://localhost", "amqp://localhost/?nonsense=1"])
    async def test_urls_that_are_not_amqp_are_refused(self, urls: str) -> None:
        with pytest.raises(InvalidSetting):
            async with open_broker(urls):
                pass
