"""The rejected: what the broker has put into the queue of the dead, with what it says about that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from msgspec import Struct
from pika.channel import Channel as RawChannel
from pika.spec import Basic, BasicProperties

from leveret.backends.rabbitmq.connection import Channel
from leveret.backends.rabbitmq.ledger import Ledger
from leveret.backends.rabbitmq.reading import read
from leveret.backends.rabbitmq.topology import DELIVERY_LIMIT, Topology
from leveret.core import lanes
from leveret.core.ports import Rejected
from leveret.core.prediction import Prediction
from leveret.errors import Undecodable

_WORDS: Final = {
    "rejected": "a worker rejected it",
    "delivery_limit": f"it came back to its queue more than {DELIVERY_LIMIT} times",
}
"""The broker's reasons."""


class Death(Struct, frozen=True):
    """How a message came to the queue of the dead; without a queue: it was put there directly."""

    queue: str
    reason: str
    at: float


class _Got(Struct, frozen=True):
    tag: int
    properties: BasicProperties
    body: bytes


async def take(channel: Channel, ledger: Ledger, topology: Topology, *, limit: int) -> list[Rejected]:
    """Up to `limit` of them, oldest first. Raises AMQPError."""
    answers: asyncio.Queue[_Got | None] = asyncio.Queue()

    def on_message(_: RawChannel, method: Basic.GetOk, properties: BasicProperties, body: bytes) -> None:
        answers.put_nowait(_Got(method.delivery_tag or 0, properties, body))

    channel.raw.add_callback(lambda _: answers.put_nowait(None), [Basic.GetEmpty], one_shot=False)
    channel.raw.add_on_close_callback(lambda *_: answers.put_nowait(None))
    taken: list[Rejected] = []
    while len(taken) < limit:
        channel.raw.basic_get(topology.dead, on_message)
        got = await answers.get()
        if channel.closed.done():
            raise channel.closed.result()
        if got is None:
            break
        ledger.enter(got.tag)
        taken.append(_rejected(got, topology, partial(ledger.ack, got.tag)))
    return taken


def death(properties: BasicProperties) -> Death:
    """What `x-death` says of the latest queue. Anyone can send any header: what makes no sense is ignored."""
    deaths = (properties.headers or {}).get("x-death")
    match deaths[0] if isinstance(deaths, list) and deaths else None:
        case {"queue": str(queue), "reason": str(reason), "time": datetime() as at}:
            return Death(queue, reason, at.timestamp())
        case _:
            return Death("", "", time.time())


def _rejected(got: _Got, topology: Topology, ack: Callable[[], None]) -> Rejected:
    died = death(got.properties)
    reason = f"{_WORDS.get(died.reason, died.reason)} (queue {died.queue})" if died.queue else "somebody put it there"
    try:
        prediction = _decode(got, died.queue, topology)
    except Undecodable as error:
        return Rejected(got.body, None, f"{error}; {reason}", died.at, ack)
    return Rejected(got.body, prediction, reason, died.at, ack)


def _decode(got: _Got, queue: str, topology: Topology) -> Prediction:
    prediction = read(got.body, got.properties)
    if queue and queue not in [topology.queue(prediction.model, lane) for lane in range(lanes.COUNT)]:
        raise Undecodable(what="message", reason=f"it is for {prediction.model} and stood in another model's lane")
    return prediction
