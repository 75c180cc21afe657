"""Patience: how long to wait for what does not answer now, and when to wait no longer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import structlog
from structlog.typing import FilteringBoundLogger

from leveret.core import retry
from leveret.errors import Unavailable

T = TypeVar("T")

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 30.0

_log: FilteringBoundLogger = structlog.get_logger()


def pause_after(failures: int) -> float:
    """How long to wait after so many failures in a row, at least one, in seconds."""
    jitter = random.random()  # noqa: S311 - no secret
    return retry.pause(failures - 1, first=FIRST_PAUSE, longest=LONGEST_PAUSE, jitter=jitter)


class Leavable:
    """A block that `leave` ends from outside, wherever it waits; it does not raise then."""

    def __init__(self) -> None:
        self._timeout: asyncio.Timeout | None = None

    @asynccontextmanager
    async def block(self) -> AsyncIterator[None]:
        """The block; one at a time."""
        timeout = asyncio.timeout(None)
        try:
            async with timeout:
                self._timeout = timeout
                try:
                    yield
                finally:
                    self._timeout = None
        except TimeoutError:
            if not timeout.expired():
                raise

    def leave(self) -> None:
        """End the block, if it is entered."""
        if self._timeout is not None:
            self._timeout.reschedule(0)
            self._timeout = None


async def insist(call: Callable[[], Awaitable[T]], *, patience: float) -> T:
    """What the call answers; one that raises Unavailable is made again for about `patience` seconds."""
    clock = asyncio.get_running_loop().time
    until = clock() + patience
    failures = 0
    while True:
        try:
            return await call()
        except Unavailable as error:
            failures += 1
            pause = min(pause_after(failures), until - clock())
            if pause <= 0:
                raise
            _log.warning("trying again", error=str(error), pause=pause)
        await asyncio.sleep(pause)
