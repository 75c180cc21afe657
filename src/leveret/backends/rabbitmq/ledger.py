"""The ledger: which deliveries of a channel are still to be settled, and the settling."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import structlog
from pika.channel import Channel

from leveret.core.prediction import Prediction
from leveret.errors import Unavailable
from leveret.observe.logs import about

REFUSED_PAUSE: Final = 1.0
"""Seconds before a delivery goes back whose delayed copy could not be published: the queue would return it at once."""

LONGEST_PAUSE: Final = 60.0
"""It doubles with each return, up to this many seconds: a broker may block publishers for longer than messages can come
back every second without becoming dead letters."""

Republish: TypeAlias = Callable[[Prediction, float], Awaitable[None]]

_log = structlog.get_logger()


class Ledger:
    """The open deliveries of one channel. Acks are collected and sent once for each tick of the loop.

    Once the channel is closed nothing here can be settled: the broker delivers it all again by itself.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, None] = {}
        self._acknowledged: list[int] = []

    def enter(self, tag: int) -> None:
        """A delivery has come. Tags count up from 1."""
        self._open[tag] = None

    def holds(self, tag: int) -> bool:
        """Whether the delivery is still ours to settle."""
        return tag in self._open and self._channel.is_open

    def lost(self, tag: int) -> bool:
        """Whether the channel was lost while the delivery was ours: the broker has taken it back by itself."""
        return tag in self._open and not self._channel.is_open

    def ack(self, tag: int) -> None:
        """It is dealt with."""
        if self._settle(tag):
            if not self._acknowledged:
                self._loop.call_soon(self._send_acks)
            self._acknowledged.append(tag)

    def give_back(self, tag: int) -> None:
        """Deliver it again, to anyone, at once."""
        if self._settle(tag):
            self._channel.basic_nack(tag, requeue=True)

    def reject(self, tag: int) -> None:
        """Keep it as a dead letter."""
        if self._settle(tag):
            self._channel.basic_reject(tag, requeue=False)

    def close(self) -> None:
        """Give back whatever is still open."""
        self._send_acks()
        if self._channel.is_open:
            self._open.clear()
            self._channel.basic_nack(0, multiple=True, requeue=True)

    def _settle(self, tag: int) -> bool:
        if not self.holds(tag):
            return False
        del self._open[tag]
        return True

    def _send_acks(self) -> None:
        """One ack for all that lies below the first open delivery, and one for each of the others."""
        tags = sorted(self._acknowledged)
        self._acknowledged.clear()
        if not self._channel.is_open:
            return
        below = bisect_left(tags, next(iter(self._open))) if self._open else len(tags)
        if below:
            self._channel.basic_ack(tags[below - 1], multiple=True)
        for tag in tags[below:]:
            self._channel.basic_ack(tag)


class RabbitDelivery:
    """A prediction in a worker's hand. Once it is guarded its message is acknowledged, and a copy waits on a rung.

    `returns` is how often its message has come back to its queue. RabbitMQ before 4.3 counts that each time.
    """

    __slots__ = ("_guarded", "_ledger", "_republish", "_tag", "prediction", "returns")

    def __init__(self, prediction: Prediction, *, tag: int, returns: int, ledger: Ledger, republish: Republish) -> None:
        self.prediction = prediction
        self.returns = returns
        self._guarded = False
        self._tag = tag
        self._ledger = ledger
        self._republish = republish

    def ack(self) -> None:
        """It is dealt with."""
        self._ledger.ack(self._tag)

    def reject(self) -> None:
        """It can never be dealt with: keep it as a dead letter."""
        self._ledger.reject(self._tag)

    async def retry(self, delay: float) -> None:
        """Give it back to be delivered again after about `delay` seconds; 0: at once, to the front.

        What the broker has taken back by itself may wait as somebody's guard by now: a copy comes in time.
        """
        if self._guarded or self._ledger.lost(self._tag):
            await self._republish(self.prediction, delay)
        elif delay <= 0:
            self._ledger.give_back(self._tag)
        elif self._ledger.holds(self._tag):
            await self._postpone(delay)

    async def guard(self, delay: float) -> None:
        """Publish the guard, then acknowledge. Of what the broker has taken back it has the message itself."""
        if self._ledger.holds(self._tag):
            await self._republish(self.prediction, delay)
            self._guarded = self._ledger.holds(self._tag)
            self._ledger.ack(self._tag)

    async def _postpone(self, delay: float) -> None:
        """Publish the copy that waits, then acknowledge: a crash in between makes two of it, never none."""
        copied = False
        try:
            await self._republish(self.prediction, delay)
            copied = True
        except Unavailable as error:
            _log.warning("a retry could not be postponed", **about(self.prediction), reason=str(error))
        finally:
            if copied:
                self._ledger.ack(self._tag)
            else:
                pause = min(REFUSED_PAUSE * 2.0 ** min(self.returns, 10), LONGEST_PAUSE)
                asyncio.get_running_loop().call_later(pause, self._ledger.give_back, self._tag)
