"""Declaring: makes exchanges and queues, or sees that they are there where a user may not make any."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

import structlog
from msgspec import Struct
from pika.exceptions import AMQPError, ChannelClosedByBroker
from pika.spec import Exchange, Queue

from leveret.backends.rabbitmq.connection import Connection

ACCESS_REFUSED: Final = 403
NOT_FOUND: Final = 404
PRECONDITION_FAILED: Final = 406

Arguments: TypeAlias = Mapping[str, str | int]

_log = structlog.get_logger()


class Route(Struct, frozen=True):
    """A durable quorum queue and the binding that feeds it; `model` is whose lane it is, if it is one."""

    queue: str
    exchange: str
    routing_key: str
    arguments: Arguments
    model: str = ""


class Missing(AMQPError):
    """Something is not there, and this user may not make it."""

    def __init__(self, what: str, model: str = "") -> None:
        command = f"leveret provision --model {model}" if model else "leveret provision"
        super().__init__(f"{what} is missing, and this user may not make it: run `{command}` as one who may")

    def __str__(self) -> str:
        return str(self.args[0])


class Declaring:
    """Makes things for as long as nobody refuses it, and from then on only looks."""

    def __init__(self) -> None:
        self._may = True

    async def everything(self, connection: Connection, exchanges: Mapping[str, str], routes: Sequence[Route]) -> None:
        """Have these exchanges, given with their kinds, and these queues. Raises AMQPError."""
        if self._may:
            try:
                await make(connection, exchanges, routes)
            except ChannelClosedByBroker as error:
                if error.reply_code != ACCESS_REFUSED:
                    raise
                self._may = False
                _log.info("this user makes no queues, and only sees that they are there", reason=error.reply_text)
            else:
                return
        await see(connection, exchanges, routes)


async def make(connection: Connection, exchanges: Mapping[str, str], routes: Sequence[Route]) -> None:
    """Declare all of it. Raises AMQPError."""
    async with connection.channel() as channel:
        for name, kind in exchanges.items():
            await channel.call(
                Exchange.DeclareOk, channel.raw.exchange_declare, exchange=name, exchange_type=kind, durable=True
            )
    made = await asyncio.gather(*[_make(connection, route) for route in routes], return_exceptions=True)
    for error in made:
        if error is not None:
            raise error


async def see(connection: Connection, exchanges: Mapping[str, str], routes: Sequence[Route]) -> None:
    """Raises Missing if something is not there. What this user may not even see, is not its business."""
    for name in exchanges:
        if await exchange(connection, name) is False:
            raise Missing(f"the exchange {name}")
    for route in routes:
        if await queue(connection, route.queue) is False:
            raise Missing(f"the queue {route.queue}", route.model)


async def exchange(connection: Connection, name: str) -> bool | None:
    """Whether there is such an exchange; None if this user may not know. Raises AMQPError."""
    async with connection.channel() as channel:
        declare = partial(channel.raw.exchange_declare, passive=True)
        try:
            await channel.call(Exchange.DeclareOk, declare, exchange=name)
        except ChannelClosedByBroker as error:
            return _absent(error)
    return True


async def queue(connection: Connection, name: str) -> bool | None:
    """Whether there is such a queue; None if this user may not know. Raises AMQPError."""
    async with connection.channel() as channel:
        try:
            await channel.call(Queue.DeclareOk, channel.raw.queue_declare, queue=name, passive=True)
        except ChannelClosedByBroker as error:
            return _absent(error)
    return True


def _absent(error: ChannelClosedByBroker) -> bool | None:
    match error.reply_code:
        case code if code == NOT_FOUND:
            return False
        case code if code == ACCESS_REFUSED:
            return None
    raise error


async def _make(connection: Connection, route: Route) -> None:
    """Declare on a channel of its own, so that queues are made side by side and a refusal closes nothing else."""
    try:
        async with connection.channel() as channel:
            await channel.call(
                Queue.DeclareOk,
                channel.raw.queue_declare,
                queue=route.queue,
                durable=True,
                arguments=dict(route.arguments),
            )
    except ChannelClosedByBroker as error:
        if error.reply_code != PRECONDITION_FAILED:
            raise
        _log.warning("a queue has other arguments than it would be given now; it is used as it is", reason=str(error))
    async with connection.channel() as channel:
        await channel.call(
            Queue.BindOk,
            channel.raw.queue_bind,
            queue=route.queue,
            exchange=route.exchange,
            routing_key=route.routing_key,
        )
