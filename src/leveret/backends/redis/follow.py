"""Following a log: what stands in it, then what is published, nothing twice and nothing left out.

A watcher subscribes first and reads the log then, so that nothing falls between; what it has seen already it drops.
Whenever it may have missed something (a gap in the numbers, a queue that overflowed, a connection that broke) it reads
the log again from where it was. It needs no task of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

from leveret.backends.redis import replies
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.commands import Commands
from leveret.backends.redis.keys import Keys
from leveret.backends.redis.subscriptions import Channel, Subscriptions
from leveret.core import events
from leveret.core.events import Entry, Event
from leveret.errors import PredictionNotFound

QUEUE_LIMIT: Final = 256
"""How many messages wait for a slow watcher before it is sent back to the log."""

QUEUE_BYTES: Final = 1024 * 1024
"""How many bytes of messages wait for it, whatever their number."""

PAGE: Final = 500
"""How many entries are read from a log at once."""

PAGE_BYTES: Final = 1024 * 1024
"""About how many bytes are read from a log at once."""


class Logs:
    """The logs of all predictions."""

    def __init__(self, *, batcher: Batcher, subscriptions: Subscriptions, commands: Commands, keys: Keys) -> None:
        self._batcher = batcher
        self._subscriptions = subscriptions
        self._commands = commands
        self._keys = keys

    async def follow(self, prediction_id: str, *, after: int) -> AsyncGenerator[Entry, None]:
        """The entries behind number `after`, up to the final one. Raises PredictionNotFound and StoreUnavailable."""
        seen = after
        watcher = _Watcher()
        with self._subscriptions.listen(self._keys.log(prediction_id).encode(), watcher) as channel:
            while True:
                for entry in await self._more(prediction_id, watcher, channel, seen):
                    if entry.number > seen:
                        seen = entry.number
                        yield entry
                    if entry.final:
                        return

    async def _more(self, prediction_id: str, watcher: _Watcher, channel: Channel, seen: int) -> list[Entry]:
        """Some further entries, perhaps with some that have been seen."""
        await watcher.wait()
        if not watcher.behind:
            news = watcher.take()
            watcher.behind = news[0].number > seen + 1
            return [] if watcher.behind else news
        await self._subscriptions.subscribed(channel)
        watcher.catch_up()
        page, more = await self._page(prediction_id, seen)
        watcher.behind |= more
        return page

    async def whole(self, prediction_id: str) -> list[Event]:
        """The log as it is now, page by page, so that nobody else waits while it is read."""
        found: list[Event] = []
        more = True
        while more:
            page, more = await self._page(prediction_id, len(found))
            found += [entry.event for entry in page]
        return found

    async def _page(self, prediction_id: str, after: int) -> tuple[list[Entry], bool]:
        """Some entries behind number `after`, or if there are none, the last; and whether more follow."""
        command = self._commands.page(prediction_id, after=after, most=PAGE, size=PAGE_BYTES)
        (reply,) = await self._batcher.send([command])
        if reply is None:
            raise PredictionNotFound(prediction_id=prediction_id)
        first, more, entries = replies.array(reply)
        return _entries(replies.number(first), replies.strings(entries)), more == 1


class _Watcher:
    """What has been published and not yet been taken by one who follows a log."""

    def __init__(self) -> None:
        self.behind = True
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._news = asyncio.Event()

    def receive(self, message: bytes) -> None:
        """Queue a message: a number, and on the lines behind it the events from that number on."""
        self._queue.append(message)
        self._size += len(message)
        self._news.set()
        if len(self._queue) > QUEUE_LIMIT or self._size > QUEUE_BYTES:
            self.interrupt()

    def interrupt(self) -> None:
        """Send it back to the log."""
        self._queue.clear()
        self._size = 0
        self.behind = True
        self._news.set()

    def catch_up(self) -> None:
        """It is about to read the log: from now on the messages count again."""
        self.behind = False

    async def wait(self) -> None:
        """Wait until there is something to take or it is behind."""
        self._news.clear()
        if not self._queue and not self.behind:
            await self._news.wait()

    def take(self) -> list[Entry]:
        """The entries of the oldest message."""
        message = self._queue.popleft()
        self._size -= len(message)
        first, *published = message.split(b"\n")
        return _entries(int(first), published)


def _entries(first: int, encoded: list[bytes]) -> list[Entry]:
    return [Entry(number, events.decode(data)) for number, data in enumerate(encoded, first)]
