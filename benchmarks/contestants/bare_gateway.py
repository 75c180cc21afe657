"""A gateway with no product around it: store the record, publish it with a confirm, answer its id."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Final

import msgspec
import pika
from msgspec import Raw, Struct
from pika.channel import Channel
from pika.frame import Method
from pika.spec import Basic
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.contestants.bare_broker import QUEUE, STORE_URL, Batcher, open_channel

PERSISTENT: Final = pika.BasicProperties(delivery_mode=2)


class Submission(Struct):
    """The body of a POST."""

    input: Raw


class Message(Struct):
    """What travels through the queue."""

    id: str
    input: Raw


class Prediction(Struct):
    """What a client sees."""

    id: str
    status: str
    output: Raw = Raw(b"null")


class Publisher:
    """Publishes to the queue; `publish` answers a future that the broker's confirm resolves."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._unconfirmed: dict[int, asyncio.Future[None]] = {}
        self._tag = 0
        channel.confirm_delivery(self._confirmed)

    def publish(self, body: bytes) -> asyncio.Future[None]:
        confirm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tag += 1
        self._unconfirmed[self._tag] = confirm
        self._channel.basic_publish("", QUEUE, body, PERSISTENT)
        return confirm

    def _confirmed(self, frame: Method[Basic.Ack | Basic.Nack]) -> None:
        last = frame.method.delivery_tag
        tags = [tag for tag in self._unconfirmed if tag <= last] if frame.method.multiple else [last]
        for tag in tags:
            confirm = self._unconfirmed.pop(tag)
            if isinstance(frame.method, Basic.Ack):
                confirm.set_result(None)
            else:
                confirm.set_exception(RuntimeError("the broker refused the message"))


decode = msgspec.json.Decoder(Submission).decode
encode = msgspec.json.encode


async def submit(request: Request) -> Response:
    submission = decode(await request.body())
    prediction_id = uuid.uuid4().hex
    await request.app.state.store.send("HSET", prediction_id, "status", "starting", "input", bytes(submission.input))
    await request.app.state.publisher.publish(encode(Message(prediction_id, submission.input)))
    return Response(encode(Prediction(prediction_id, "starting")), 201, media_type="application/json")


async def read(request: Request) -> Response:
    prediction_id = request.path_params["id"]
    record = await request.app.state.store.send("HGETALL", prediction_id)
    if not record:
        return Response(status_code=404)
    output = Raw(record.get(b"output", b"null"))
    prediction = Prediction(prediction_id, record[b"status"].decode(), output)
    return Response(encode(prediction), media_type="application/json")


@contextlib.asynccontextmanager
async def lifespan(application: Starlette) -> AsyncIterator[None]:
    channel = await open_channel()
    async with Redis.from_url(STORE_URL) as redis:
        application.state.store = Batcher(redis)
        application.state.publisher = Publisher(channel)
        yield
    channel.connection.close()


app = Starlette(
    routes=[Route("/predictions", submit, methods=["POST"]), Route("/predictions/{id}", read)],
    lifespan=lifespan,
)
