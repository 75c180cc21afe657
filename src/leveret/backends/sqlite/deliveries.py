"""Deliveries: what a consumer takes from the embedded queues, and how each ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

from leveret.backends.sqlite import messages
from leveret.backends.sqlite.database import Database
from leveret.backends.sqlite.messages import Message
from leveret.backends.sqlite.queues import Hand
from leveret.core import wire
from leveret.core.ports import Delivery
from leveret.core.prediction import Prediction
from leveret.errors import BrokerUnavailable, Undecodable

Postpone: TypeAlias = Callable[[Message, float], Awaitable[None]]
"""Takes a message out of its lane for so many seconds."""


class SqliteDeliveries:
    """What one consumer takes; on leaving, what has not ended goes back."""

    def __init__(self, hand: Hand, database: Database, *, postpone: Postpone) -> None:
        self._hand = hand
        self._database = database
        self._postpone = postpone

    @property
    def arriving(self) -> bool:
        """See core.ports.Deliveries."""
        return True

    async def take(self, most: int) -> list[Delivery]:
        """See core.ports.Deliveries."""
        await asyncio.sleep(0)  # everybody else has a turn, however much waits here
        while not (taken := self._taken(most)):
            await self._hand.wait()
        return taken

    def ack(self, message: Message) -> None:
        """Delete it, in this tick's transaction."""
        if self._hand.release(message):
            self._database.write(partial(messages.remove, position=message.position))

    async def retry(self, message: Message, delay: float) -> None:
        """Put it back in front, or take it out of its lane for `delay` seconds."""
        if not self._hand.release(message):
            return
        if delay <= 0:
            self._hand.put_back(message)
            return
        try:
            await self._postpone(message, delay)
        except BrokerUnavailable:
            self._hand.put_back(message)
            raise

    def reject(self, message: Message, reason: str) -> None:
        """Give it up, in this tick's transaction."""
        if self._hand.release(message):
            self._database.write(partial(messages.reject, message=message, reason=reason))

    def _taken(self, most: int) -> list[Delivery]:
        taken: list[Delivery] = []
        while len(taken) < most and (message := self._hand.take()) is not None:
            try:
                prediction = wire.decode(message.body)
            except Undecodable as error:
                self.reject(message, str(error))
            else:
                taken.append(SqliteDelivery(self, message, prediction))
        return taken


class SqliteDelivery:
    """A prediction in a worker's hand. Once it has ended, or its consumer has left, nothing happens any more."""

    __slots__ = ("_deliveries", "_message", "prediction")

    def __init__(self, deliveries: SqliteDeliveries, message: Message, prediction: Prediction) -> None:
        self.prediction = prediction
        self._deliveries = deliveries
        self._message = message

    def ack(self) -> None:
        """See core.ports.Delivery."""
        self._deliveries.ack(self._message)

    async def retry(self, delay: float) -> None:
        """See core.ports.Delivery."""
        await self._deliveries.retry(self._message, delay)

    def reject(self) -> None:
        """See core.ports.Delivery."""
        self._deliveries.reject(self._message, "its worker rejected it")

    async def guard(self, delay: float) -> None:
        """See core.ports.Delivery. It may be held for as long as it takes: nobody takes it back meanwhile."""
