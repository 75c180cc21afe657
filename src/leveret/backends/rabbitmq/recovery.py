"""Recovery: trying again for ever, and handing out what comes and goes meanwhile."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, Generic, TypeVar

import structlog

from leveret.core import retry

FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 5.0
"""Bounds of the back-off in seconds."""

T = TypeVar("T")

_log = structlog.get_logger()


class Presence(Generic[T]):
    """Something that is there at times, such as a connection: look at it, or wait for it."""

    def __init__(self) -> None:
        self._value: T | None = None
        self._arrived = asyncio.Event()

    @property
    def value(self) -> T | None:
        """What is there now."""
        return self._value

    @contextmanager
    def present(self, value: T) -> Iterator[None]:
        """It is there for as long as the body runs, or until another one is."""
        self._value = value
        self._arrived.set()
        try:
            yield
        finally:
            if self._value is value:
                self._value = None
                self._arrived.clear()

    async def wait(self) -> T:
        """What is there, as soon as it is."""
        while self._value is None:
            await self._arrived.wait()
        return self._value


async def keep_trying(attempt: Callable[[], Awaitable[object]], *, what: str) -> None:
    """Attempt it again whenever it ends, however it ends, with a growing pause while it keeps failing early."""
    failures = 0
    while True:
        began = time.monotonic()
        reason: object = "it ended"
        try:
            reason = await attempt() or reason
        except Exception as error:  # whatever it is, the answer is to try again and to say so
            reason = error
        failures = 0 if time.monotonic() - began > LONGEST_DELAY else failures + 1
        pause = back_off(failures)
        _log.warning("trying again", what=what, reason=str(reason) or repr(reason), pause=round(pause, 3))
        await asyncio.sleep(pause)


def back_off(failures: int) -> float:
    """How long to wait after so many failures in a row, in seconds."""
    jitter = random.random()  # noqa: S311 - no secret
    return retry.pause(failures, first=FIRST_DELAY, longest=LONGEST_DELAY, jitter=jitter)


@asynccontextmanager
async def beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Let the work run for as long as the body does.

    A TaskGroup would do the same but wrap whatever the body raises, and the body is our caller's code.
    """
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
