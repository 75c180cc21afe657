"""Errands: the queue of webhooks among the embedded queues, as the first lane of what can be no model's name."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final, Self

from leveret.backends.sqlite import messages
from leveret.backends.sqlite.database import Database
from leveret.backends.sqlite.messages import Message
from leveret.backends.sqlite.queues import Hand

QUEUE: Final = "webhooks"


class SqliteErrands:
    """What one who sees to errands takes; on leaving, what has not ended goes back."""

    def __init__(self, hand: Hand, database: Database, *, capacity: int) -> None:
        self._hand = hand
        self._database = database
        self._capacity = capacity

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SqliteErrand:
        await asyncio.sleep(0)  # everybody else has a turn, however much waits here
        while self._hand.holds >= self._capacity or (message := self._hand.take()) is None:
            await self._hand.wait()
        return SqliteErrand(message, self._hand, self._database)


class SqliteErrand:
    """Implements core.hooks.ErrandInHand."""

    __slots__ = ("_database", "_hand", "_message", "body")

    def __init__(self, message: Message, hand: Hand, database: Database) -> None:
        self.body = message.body
        self._message = message
        self._hand = hand
        self._database = database

    def ack(self) -> None:
        """See core.hooks.ErrandInHand."""
        if self._hand.release(self._message):
            self._database.write(partial(messages.remove, position=self._message.position))

    def give_back(self) -> None:
        """See core.hooks.ErrandInHand."""
        if self._hand.release(self._message):
            self._hand.put_back(self._message)

    def reject(self) -> None:
        """See core.hooks.ErrandInHand."""
        if self._hand.release(self._message):
            self._database.write(partial(messages.reject, message=self._message, reason="it is no errand"))
