"""The queue in RabbitMQ and the requests in Redis: all that the app and its consumers agree on."""

from __future__ import annotations

import json
import threading
import uuid
from typing import TypedDict

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPChannelError, AMQPConnectionError
from redis import Redis
from redis.client import Pipeline

QUEUE = "factorial"
DEAD = "factorial.dead"  # what takes its consumer along each time, to be looked at by a person
DELIVERIES = 10
KEPT = 24 * 3600  # seconds


class Request(TypedDict):
    """What somebody has asked for; the status is `processing` or `done`."""

    input: int
    status: str
    output: str | None


def create_request(store: Redis, number: int) -> str:
    """Store a new request and answer its id."""
    request_id = uuid.uuid4().hex
    with store.pipeline() as pipe:
        pipe.hset(_key(request_id), mapping={"input": number, "status": "processing"})
        pipe.expire(_key(request_id), KEPT)
        pipe.execute()
    return request_id


def get_request(store: Redis, request_id: str) -> Request | None:
    """The request, if there is one."""
    found = store.hgetall(_key(request_id))
    if not found:
        return None
    return {"input": int(found["input"]), "status": found["status"], "output": found.get("output")}


def update_request(store: Redis, request_id: str, status: str, output: str | None = None) -> bool:
    """Set status and output, unless the request is done already; False if there is none."""

    def update(pipe: Pipeline) -> bool:
        known = pipe.hget(_key(request_id), "status")
        pipe.multi()
        if known == "processing":
            pipe.hset(_key(request_id), mapping={"status": status, **({} if output is None else {"output": output})})
        return known is not None

    return bool(store.transaction(update, _key(request_id), value_from_callable=True))


def delete_request(store: Redis, request_id: str) -> None:
    """Forget a request that nobody has been promised."""
    store.delete(_key(request_id))


def publish_to_rabbitmq(rabbitmq: RabbitMQ, message: dict[str, str | int]) -> None:
    """Queue the message; returns once the broker has confirmed that it is kept. Raises AMQPError."""
    rabbitmq.publish(json.dumps(message).encode())


class RabbitMQ:
    """One connection for all threads of the app, and a new one when it is lost."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)
        self._lock = threading.Lock()  # pika's connections are not for several threads at once
        self._channel = self._opened()

    def publish(self, body: bytes) -> None:
        """Publish it and wait for the confirm. If only that is lost it is queued twice, which does no harm."""
        properties = pika.BasicProperties(content_type="application/json", delivery_mode=pika.DeliveryMode.Persistent)
        with self._lock:
            try:
                self._channel.basic_publish("", QUEUE, body, properties, mandatory=True)
            except (AMQPConnectionError, AMQPChannelError):  # an idle connection is found to be lost only now
                self._channel = self._opened()
                self._channel.basic_publish("", QUEUE, body, properties, mandatory=True)

    def _opened(self) -> BlockingChannel:
        channel = pika.BlockingConnection(self._parameters).channel()
        declare_queue(channel)
        channel.confirm_delivery()
        return channel


def declare_queue(channel: BlockingChannel) -> None:
    """Make the durable queues, if they are not there."""
    channel.queue_declare(DEAD, durable=True, arguments={"x-queue-type": "quorum"})
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERIES,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": DEAD,
    }
    channel.queue_declare(QUEUE, durable=True, arguments=arguments)


def _key(request_id: str) -> str:
    return f"factorial:{request_id}"
