"""Tries: whether a right is there, found out without anything being changed.

A publish is rolled back; a consumer is asked for with a priority that is no number, which the broker only sees when it
has seen the right to read; what is declared is there already, or belongs to this connection alone.
"""

from __future__ import annotations

from functools import partial
from typing import Final
from uuid import uuid4

from pika.exceptions import ChannelClosedByBroker
from pika.spec import Basic, Exchange, Queue, Tx

from leveret.backends.rabbitmq.connection import Channel, Connection
from leveret.backends.rabbitmq.declaring import ACCESS_REFUSED, NOT_FOUND, PRECONDITION_FAILED, Route

_NO_PRIORITY: Final = "none"


async def writes(connection: Connection, exchange: str) -> bool | None:
    """Whether this user may publish to it; None if it is not there. Raises AMQPError."""
    try:
        async with connection.channel() as channel:
            await channel.call(Tx.SelectOk, channel.raw.tx_select)
            channel.raw.basic_publish(exchange, f"leveret-doctor-{uuid4().hex}", b"")
            await channel.call(Tx.RollbackOk, channel.raw.tx_rollback)
    except ChannelClosedByBroker as error:
        return _judged(error)
    return True


async def reads(connection: Connection, queue: str) -> bool | None:
    """Whether this user may consume it; None if it is not there. Raises AMQPError."""
    try:
        async with connection.channel() as channel:
            await channel.call(Basic.QosOk, channel.raw.basic_qos, prefetch_count=1)  # should one take it all the same
            consume = partial(channel.raw.basic_consume, arguments={"x-priority": _NO_PRIORITY})
            await channel.call(Basic.ConsumeOk, consume, queue=queue, on_message_callback=lambda *_: None)
    except ChannelClosedByBroker as error:
        return True if error.reply_code == PRECONDITION_FAILED else _judged(error)
    return True


async def configures(connection: Connection, exchange: str, kind: str) -> bool | None:
    """Whether this user may declare it, which is there. Raises AMQPError."""
    try:
        async with connection.channel() as channel:
            declare = partial(channel.raw.exchange_declare, exchange_type=kind, durable=True)
            await channel.call(Exchange.DeclareOk, declare, exchange=exchange)
    except ChannelClosedByBroker as error:
        return True if error.reply_code == PRECONDITION_FAILED else _judged(error)
    return True


async def owns(connection: Connection) -> bool | None:
    """Whether this user may have queues of its own, as workers need. Raises AMQPError."""
    try:
        async with connection.channel() as channel:
            made = await _own(channel)
            await channel.call(Queue.DeleteOk, channel.raw.queue_delete, queue=made)
    except ChannelClosedByBroker as error:
        return _judged(error)
    return True


async def differs(connection: Connection, route: Route) -> str | None:
    """How a queue, which is there, differs from what it should be: empty if it does not; None: not to be found out."""
    try:
        async with connection.channel() as channel:
            declare = partial(channel.raw.queue_declare, durable=True, arguments=dict(route.arguments))
            await channel.call(Queue.DeclareOk, declare, queue=route.queue)
    except ChannelClosedByBroker as error:
        if error.reply_code == PRECONDITION_FAILED:
            return error.reply_text
        if error.reply_code == ACCESS_REFUSED:
            return None
        raise
    return ""


async def _own(channel: Channel) -> str:
    made = await channel.call(Queue.DeclareOk, channel.raw.queue_declare, queue="", exclusive=True, auto_delete=True)
    return str(made.queue)


def _judged(error: ChannelClosedByBroker) -> bool | None:
    match error.reply_code:
        case code if code == ACCESS_REFUSED:
            return False
        case code if code == NOT_FOUND:
            return None
    raise error
