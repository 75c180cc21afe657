"""The publisher: messages that are confirmed, each by a future of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from msgspec import Struct
from pika.exceptions import AMQPError
from pika.frame import Method
from pika.spec import Basic, BasicProperties, Confirm

from leveret.backends.rabbitmq.connection import Channel, Connection, first_of
from leveret.backends.rabbitmq.recovery import Presence
from leveret.errors import BrokerUnavailable, PublishUnconfirmed, QueueRefused

CONFIRM_TIMEOUT: Final = 15.0
"""Seconds; not below the heartbeat, or a dead connection would look like a slow broker."""

BLOCKED_TIMEOUT: Final = 1.0
"""Seconds for confirms once the broker blocks publishers: what it has read by then is confirmed at once."""

SHORTEST_TERM: Final = 1.0
"""Seconds that a publisher is used at the least, even if it is worn out: a queue may really be full."""

_WATCH_PERIOD: Final = 0.5


class NoQueue(QueueRefused):
    """No queue is bound for the message."""


class Message(Struct, frozen=True):
    """What to publish. `about` names in errors what it is for."""

    exchange: str
    routing_key: str
    body: bytes
    properties: BasicProperties
    about: str


class _Unconfirmed(Struct, frozen=True):
    message: Message
    verdict: asyncio.Future[None]
    since: float


class Publisher:
    """The confirming channel of a connection. Delivery tags count its publishes from 1."""

    def __init__(self, connection: Connection, channel: Channel) -> None:
        self._connection = connection
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._tag = 0
        self._unconfirmed: dict[int, _Unconfirmed] = {}
        self._returned: set[tuple[str, str, str | None]] = set()
        self._watch: asyncio.TimerHandle | None = None
        self._served: set[tuple[str, str]] = set()
        self._stale: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    @asynccontextmanager
    async def on(cls, connection: Connection) -> AsyncIterator[Publisher]:
        """A publisher for as long as the body needs it. Raises AMQPError."""
        async with connection.channel() as channel:
            publisher = cls(connection, channel)
            channel.raw.add_on_return_callback(publisher._on_return)
            await channel.call(Confirm.SelectOk, channel.raw.confirm_delivery, ack_nack_callback=publisher._on_confirm)
            try:
                yield publisher
            finally:
                publisher._give_up()

    async def worn_out(self) -> Exception | None:
        """Return once another one is needed: why this can publish no more, or None if it is only not to be trusted."""
        await asyncio.wait([self._channel.closed], timeout=SHORTEST_TERM)
        await first_of(self._channel.closed, self._stale)
        return self._channel.closed.result() if self._channel.closed.done() else None

    @property
    def blocked(self) -> str:
        """Why the broker takes nothing now; empty if it does."""
        return self._connection.blocked

    async def publish(self, message: Message, *, mandatory: bool = True) -> None:
        """Publish it and wait for the confirm.

        Raises BrokerUnavailable (nothing was sent), QueueRefused (not queued) or PublishUnconfirmed (unknown).
        """
        if self.blocked:
            raise BrokerUnavailable(reason=f"it blocks publishers: {self.blocked}")
        try:
            self._channel.raw.basic_publish(
                message.exchange, message.routing_key, message.body, message.properties, mandatory
            )
        except AMQPError as error:
            raise BrokerUnavailable(reason=str(error)) from error
        self._tag += 1
        verdict = self._loop.create_future()
        self._unconfirmed[self._tag] = _Unconfirmed(message, verdict, self._loop.time())
        if self._watch is None:
            self._watch = self._loop.call_later(_WATCH_PERIOD, self._look_after)
        await verdict

    def _on_confirm(self, frame: Method[Basic.Ack] | Method[Basic.Nack]) -> None:
        tag = frame.method.delivery_tag
        accepted = isinstance(frame.method, Basic.Ack)
        if not frame.method.multiple:
            self._settle(tag, accepted=accepted)
            return
        for each in list(itertools.takewhile(tag.__ge__, self._unconfirmed)):
            self._settle(each, accepted=accepted)

    def _settle(self, tag: int, *, accepted: bool) -> None:
        one = self._unconfirmed.pop(tag, None)
        if one is None:
            return
        returned = bool(self._returned) and self._forget_return(one.message)
        if one.verdict.done():
            return
        if returned:
            one.verdict.set_exception(NoQueue(model=one.message.about, reason="it has no queue"))
        elif accepted:
            self._served.add((one.message.exchange, one.message.routing_key))
            one.verdict.set_result(None)
        else:
            self._suspect(one.message)
            one.verdict.set_exception(
                QueueRefused(model=one.message.about, reason="the queue is full or has no leader")
            )

    def _suspect(self, message: Message) -> None:
        """A channel that meets a queue just after its leader was lost refuses all for it ever after (seen in 3.10)."""
        if (message.exchange, message.routing_key) not in self._served and not self._stale.done():
            self._stale.set_result(None)

    def _on_return(self, _: object, method: Basic.Return, properties: BasicProperties, __: bytes) -> None:
        """The broker had nowhere to put it; it acknowledges it all the same, next."""
        self._returned.add((str(method.exchange), str(method.routing_key), properties.message_id))

    def _forget_return(self, message: Message) -> bool:
        key = (message.exchange, message.routing_key, message.properties.message_id)
        returned = key in self._returned
        self._returned.discard(key)
        return returned

    def _look_after(self) -> None:
        limit = self._loop.time() - (BLOCKED_TIMEOUT if self.blocked else CONFIRM_TIMEOUT)
        late = [tag for tag, one in self._unconfirmed.items() if one.since < limit]
        for tag in late:
            self._leave_open(tag)
        self._watch = self._loop.call_later(_WATCH_PERIOD, self._look_after) if self._unconfirmed else None

    def _give_up(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        for tag in list(self._unconfirmed):
            self._leave_open(tag)

    def _leave_open(self, tag: int) -> None:
        verdict = self._unconfirmed.pop(tag).verdict
        if not verdict.done():
            verdict.set_exception(PublishUnconfirmed())


async def keep_publishing(connection: Connection, publishers: Presence[Publisher]) -> Exception:
    """Keep a publisher present until the connection is lost, and answer why it is. Raises AMQPError.

    One that is worn out is replaced, but stays open for another term so that what it has sent is still confirmed.
    """
    terms: deque[AsyncExitStack] = deque()
    try:
        while True:
            terms.append(AsyncExitStack())
            publisher = await terms[-1].enter_async_context(Publisher.on(connection))
            terms[-1].enter_context(publishers.present(publisher))
            if len(terms) > 2:
                await terms.popleft().aclose()
            reason = await publisher.worn_out()
            if reason is not None:
                return reason
    finally:
        for term in terms:
            await term.aclose()
