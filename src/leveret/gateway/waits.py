"""Waits: what stays open, for a result, a stream or a socket, each exactly as long as somebody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from starlette.types import Receive


class Waits:
    """Ends what is done within `while_wanted` when its time is up, its client has gone or the gateway closes.

    All three are the same thing, a deadline: a client that goes and a gateway that closes move it to now.
    """

    def __init__(self) -> None:
        self._deadlines: set[asyncio.Timeout] = set()
        self._closed = False

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._deadlines)

    def close(self) -> None:
        """End every wait, and at once every later one."""
        self._closed = True
        for deadline in self._deadlines:
            _pass(deadline)

    @asynccontextmanager
    async def until_closed(self, *, seconds: float | None = None) -> AsyncIterator[Callable[[], None]]:
        """Do the block for at most `seconds` and break it off, silently, when the gateway closes or by what it gets."""
        if self._closed:
            seconds = 0.0
        try:
            async with asyncio.timeout(seconds) as deadline:
                self._deadlines.add(deadline)
                try:
                    yield partial(self._leave, deadline)
                finally:
                    self._deadlines.discard(deadline)
        except TimeoutError:
            return

    @asynccontextmanager
    async def while_wanted(self, receive: Receive, *, seconds: float | None = None) -> AsyncIterator[None]:
        """Do the block for at most `seconds` and break it off, silently, when nobody wants it any more."""
        async with self.until_closed(seconds=seconds) as leave, asyncio.TaskGroup() as group:
            watcher = group.create_task(_watch(receive, leave))
            try:
                yield
            finally:
                watcher.cancel()

    def _leave(self, deadline: asyncio.Timeout) -> None:
        if deadline in self._deadlines:
            _pass(deadline)


def gone(receive: Receive) -> bool:
    """Whether the client is known to have gone. Looks without waiting, a tenth of what waiting for nothing costs."""
    looking = receive().__await__()
    try:
        looking.send(None)
    except StopIteration as found:
        return bool(found.value["type"] == "http.disconnect")
    finally:
        looking.close()
    return False


async def _watch(receive: Receive, leave: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    leave()


def _pass(deadline: asyncio.Timeout) -> None:
    if not deadline.expired():
        deadline.reschedule(asyncio.get_running_loop().time())
