from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pika
import pytest
from msgspec.structs import replace

from leveret.backends.rabbitmq import RabbitBroker, open_broker
from leveret.core import lanes, wire
from leveret.core.prediction import Trace
from leveret.errors import QueueRefused
from leveret.testing.conformance.broker import BrokerConformance
from leveret.testing.conformance.steps import MODEL, eventually, given_up, prediction, publish, take, take_one
from leveret.testing.rabbitmq_server import RabbitServer
from tests.backends.rabbitmq.views import consumers, plain_channel

pytestmark = pytest.mark.slow


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

        async with broker.consume("a.b/c", ahead=2) as one, broker.consume("a/b.c", ahead=2) as other:
            assert (await take_one(one)).prediction.model == "a.b/c"
            assert (await take_one(other)).prediction.model == "a/b.c"

    async def test_a_foreign_message_is_given_up_and_the_next_one_is_served(
        self, broker: RabbitBroker, server: RabbitServer, namespace: str
    ) -> None:
        await broker.declare(MODEL)
        for_another_model = wire.encode(prediction(model="local/other"))
        foreign = [b"", b"\xff\x00", b'{"id": 1}', b"[" * 100_000, for_another_model]
        with plain_channel(server) as channel:
            for body in foreign:
                channel.basic_publish(namespace, "local.echo.0", body)
        await broker.publish(prediction())

        async with broker.consume(MODEL, ahead=1) as deliveries:
            assert prediction() == (await take_one(deliveries)).prediction

        await eventually(lambda: waiting(broker), len(foreign))
        async with broker.rejected(limit=10) as found:
            assert [(body, None) for body in foreign] == [(one.body, one.prediction) for one in found]
            assert all("not a Leveret message" in one.reason for one in found)
            assert all(f"{namespace}.local.echo.0" in one.reason for one in found)

    async def test_what_somebody_puts_among_the_dead_is_given_up_whatever_its_headers_say(
        self, broker: RabbitBroker, server: RabbitServer, namespace: str
    ) -> None:
        nonsense = [None, 1, "a", [], [1], [{"queue": 1}], {"queue": "q"}, [{"queue": "q", "time": 1}]]
        with plain_channel(server) as channel:
            for deaths in nonsense:
                properties = pika.BasicProperties(headers={"x-death": deaths})  # type: ignore[dict-item] # on purpose
                channel.basic_publish("", f"{namespace}.dead", wire.encode(prediction()), properties)

        await eventually(lambda: waiting(broker), len(nonsense))
        assert [prediction().id] * len(nonsense) == await given_up(broker)

    async def test_the_queue_of_the_dead_drops_nothing(
        self, broker: RabbitBroker, server: RabbitServer, namespace: str
    ) -> None:
        never_full_and_never_too_often = {"x-queue-type": "quorum", "x-delivery-limit": 2**31 - 1}

        with plain_channel(server) as channel:  # which is refused if the arguments differ
            channel.queue_declare(f"{namespace}.dead", durable=True, arguments=never_full_and_never_too_often)

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

        async with broker.consume(MODEL, ahead=30) as deliveries:
            taken = await take(deliveries, 30)
            for delivery in taken[1::3]:
                delivery.ack()
            await broker.depth(MODEL)
            for delivery in [*taken[27::-6], *taken[0::6]]:
                delivery.ack()

        async with broker.consume(MODEL, ahead=30) as deliveries:
            again = await take(deliveries, 10)
            assert [prediction(number) for number in range(2, 30, 3)] == [one.prediction for one in again]
            for delivery in again:
                delivery.ack()
        await eventually(lambda: broker.depth(MODEL), (0, 0, 0, 0))

    async def test_a_delivery_that_comes_back_too_often_is_given_up(self, broker: RabbitBroker) -> None:
        await publish(broker, prediction(1), prediction(2))

        async with broker.consume(MODEL, ahead=1) as deliveries:
            while (delivery := await take_one(deliveries)).prediction == prediction(1):
                await delivery.retry(0)

        await eventually(lambda: waiting(broker), 1)
        async with broker.rejected(limit=10) as found:
            assert prediction(1) == found[0].prediction
            assert "more than 50 times" in found[0].reason

    async def test_a_delivery_that_goes_back_because_others_came_with_it_does_not_become_a_dead_letter(
        self, server: RabbitServer, namespace: str
    ) -> None:
        seen: set[str] = set()
        async with open_broker(server.url, namespace=namespace, delivery_limit=2) as broker, AsyncExitStack() as stack:
            await broker.declare(MODEL)
            workers = [await stack.enter_async_context(broker.consume(MODEL, ahead=0)) for _ in range(lanes.COUNT)]
            with plain_channel(server) as channel:
                for number in range(8):
                    taking = [asyncio.ensure_future(take_one(deliveries)) for deliveries in workers]
                    await eventually(consumers(channel, f"{namespace}.local.echo.3"), len(workers))
                    burst = [prediction(number, lane=lane) for lane in range(lanes.COUNT)]
                    # The first gets all, keeps one, and so on.
                    await asyncio.gather(*[broker.publish(one) for one in burst])
                    for delivery in await asyncio.gather(*taking):
                        seen.add(delivery.prediction.id)
                        delivery.ack()

            assert [] == await given_up(broker)

        assert 8 * lanes.COUNT == len(seen)

    async def test_a_retry_comes_back_to_its_lane(self, broker: RabbitBroker) -> None:
        await publish(broker, prediction(lane=2))

        async with broker.consume(MODEL, ahead=1) as deliveries:
            await (await take_one(deliveries)).retry(1)

        await eventually(lambda: broker.depth(MODEL), (0, 0, 1, 0))

    async def test_of_a_guarded_delivery_the_message_is_acknowledged_and_a_copy_waits(
        self, broker: RabbitBroker, server: RabbitServer, namespace: str
    ) -> None:
        await publish(broker, prediction(lane=2))

        async with broker.consume(MODEL, ahead=0) as deliveries:
            held = await take_one(deliveries)
            await held.guard(400)
            held.ack()
            held.reject()

        await eventually(lambda: broker.depth(MODEL), (0, 0, 0, 0))
        with plain_channel(server) as channel:
            assert channel.queue_declare(f"{namespace}.retry.300", passive=True).method.message_count == 1
            method, _, body = channel.basic_get(f"{namespace}.retry.300")
        assert method is not None
        assert "local.echo.2" == method.routing_key
        assert wire.encode(prediction(lane=2)) == body

    async def test_a_delivery_of_a_consumption_that_was_left_cannot_be_settled_any_more(
        self, broker: RabbitBroker, server: RabbitServer, namespace: str
    ) -> None:
        await publish(broker, prediction())
        async with broker.consume(MODEL, ahead=1) as deliveries:
            delivery = await take_one(deliveries)

        await delivery.retry(1)
        delivery.ack()
        delivery.reject()

        await eventually(lambda: broker.depth(MODEL), (1, 0, 0, 0))
        with plain_channel(server) as channel:
            assert channel.queue_declare(f"{namespace}.retry.1", passive=True).method.message_count == 0


async def waiting(broker: RabbitBroker) -> int:
    """How much has been given up; all of it goes back."""
    async with broker.rejected(limit=100) as found:
        return len(found)


async def test_a_message_has_the_trace_in_its_headers_as_well(
    broker: RabbitBroker, server: RabbitServer, namespace: str
) -> None:
    trace = Trace(f"00-{'ab' * 16}-{'cd' * 8}-01", "vendor=hare")
    await publish(broker, replace(prediction(), trace=trace))

    with plain_channel(server) as channel:
        _, properties, _ = channel.basic_get(f"{namespace}.{MODEL.replace('/', '.')}.0", auto_ack=True)

    assert properties is not None
    found = properties.headers or {}
    assert (trace.traceparent, "vendor=hare") == (found["traceparent"], found["tracestate"])
