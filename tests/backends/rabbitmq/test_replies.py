"""Programs in plain AMQP: what their messages ask for beside the body, and how they are answered."""

from __future__ import annotations

import pika
import pytest
from msgspec.structs import replace

from leveret.backends.rabbitmq import RabbitBroker
from leveret.core import wire
from leveret.core.prediction import ReplyTo
from leveret.errors import QueueRefused
from leveret.testing.conformance.steps import MODEL, PATIENCE, eventually, prediction, publish, take_one
from leveret.testing.rabbitmq_server import RabbitServer
from tests.backends.rabbitmq.views import plain_channel

pytestmark = pytest.mark.slow

KEY = f"{MODEL.replace('/', '.')}.0"
ASKED = pika.BasicProperties(reply_to="answers", correlation_id="17")
TO = ReplyTo("answers", "17")


async def test_a_reply_is_a_persistent_json_message_that_names_what_it_answers(
    broker: RabbitBroker, server: RabbitServer
) -> None:
    with plain_channel(server) as channel:
        queue = channel.queue_declare("", exclusive=True).method.queue

        await broker.reply(ReplyTo(queue, "17"), "p1", b'{"id":"p1"}')

        _, properties, body = channel.basic_get(queue, auto_ack=True)
    assert properties is not None
    assert ("17", "p1", 2) == (properties.correlation_id, properties.message_id, properties.delivery_mode)
    assert (wire.CONTENT_TYPE, b'{"id":"p1"}') == (properties.content_type, body)


async def test_a_reply_to_a_queue_that_is_full_is_to_be_sent_again(broker: RabbitBroker, server: RabbitServer) -> None:
    with plain_channel(server) as channel:
        full = {"x-max-length": 1, "x-overflow": "reject-publish"}
        queue = channel.queue_declare("", exclusive=True, arguments=full).method.queue
        await broker.reply(ReplyTo(queue), "p1", b"{}")

        with pytest.raises(QueueRefused):
            await broker.reply(ReplyTo(queue), "p2", b"{}")


async def test_a_program_can_wait_without_a_queue_of_its_own(
    broker: RabbitBroker, server: RabbitServer, namespace: str
) -> None:
    await broker.declare(MODEL)
    answers: list[bytes] = []
    with plain_channel(server) as channel:
        channel.basic_consume("amq.rabbitmq.reply-to", lambda *message: answers.append(message[3]), auto_ack=True)
        asked = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to")
        channel.basic_publish(namespace, KEY, wire.encode(prediction()), asked)
        async with broker.consume(MODEL, ahead=1) as deliveries:
            to = (await take_one(deliveries)).prediction.reply_to
        assert to is not None

        await broker.reply(to, "p1", b"direct")

        channel.connection.process_data_events(time_limit=PATIENCE)
    assert [b"direct"] == answers


async def test_where_the_reply_goes_survives_giving_back_and_waiting(
    broker: RabbitBroker, server: RabbitServer, namespace: str
) -> None:
    await broker.declare(MODEL)
    with plain_channel(server) as channel:
        channel.basic_publish(namespace, KEY, wire.encode(prediction()), ASKED)

    async with broker.consume(MODEL, ahead=1) as deliveries:
        for delay in (0.0, 1.0):
            delivery = await take_one(deliveries)
            assert replace(prediction(), reply_to=TO) == delivery.prediction
            await delivery.retry(delay)
        assert replace(prediction(), reply_to=TO) == (await take_one(deliveries)).prediction


async def test_where_the_reply_goes_survives_being_published_again(broker: RabbitBroker) -> None:
    asked = replace(prediction(), reply_to=TO)

    await publish(broker, asked)

    async with broker.consume(MODEL, ahead=1) as deliveries:
        assert asked == (await take_one(deliveries)).prediction


async def test_where_the_reply_goes_is_known_of_what_is_given_up(
    broker: RabbitBroker, server: RabbitServer, namespace: str
) -> None:
    await broker.declare(MODEL)
    with plain_channel(server) as channel:
        channel.basic_publish(namespace, KEY, wire.encode(prediction()), ASKED)
    async with broker.consume(MODEL, ahead=1) as deliveries:
        (await take_one(deliveries)).reject()

    async def asked() -> list[ReplyTo | None]:
        async with broker.rejected(limit=1) as found:
            return [one.prediction.reply_to for one in found if one.prediction]

    await eventually(asked, [TO])


@pytest.mark.parametrize(("queue", "correlation_id"), [(b"\xff", "17"), ("answers", b"\xff\x00")])
async def test_names_that_are_no_text_make_it_a_foreign_message(
    broker: RabbitBroker, server: RabbitServer, namespace: str, queue: str, correlation_id: str
) -> None:
    await broker.declare(MODEL)
    asked = pika.BasicProperties(reply_to=queue, correlation_id=correlation_id)
    with plain_channel(server) as channel:
        channel.basic_publish(namespace, KEY, wire.encode(prediction()), asked)
    await broker.publish(prediction(2))

    async with broker.consume(MODEL, ahead=1) as deliveries:
        assert prediction(2) == (await take_one(deliveries)).prediction

    async def foreign() -> list[bytes]:
        async with broker.rejected(limit=10) as found:
            return [one.body for one in found if one.prediction is None]

    await eventually(foreign, [wire.encode(prediction())])
