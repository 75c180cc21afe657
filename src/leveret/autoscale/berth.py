"""The berth: where one worker runs, and after it the next one, until it is given up."""

from __future__ import annotations

import asyncio
import random
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger

from leveret.autoscale.process import told
from leveret.core import retry

MARGIN: Final = 10.0
"""Seconds beyond its grace after which a worker is killed that does not end."""

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0

STEADY: Final = 60.0
"""A worker that has run for so many seconds was all right: the next one begins without the pauses of those before."""

_log: FilteringBoundLogger = structlog.get_logger()


class Berth:
    """Keeps one worker running.

    1. starts it, and again, after a pause that grows, whenever it ends by itself,
    2. on `leave` asks it to drain, called again: to hand back at once; kills it when its grace is over.
    """

    def __init__(
        self, *, model: str, start: Callable[[], Awaitable[Process]], grace: float, margin: float = MARGIN
    ) -> None:
        self._model = model
        self._start = start
        self._patience = grace + margin
        self._leaving = asyncio.Event()
        self._process: Process | None = None

    @property
    def leaving(self) -> bool:
        """Whether it was given up."""
        return self._leaving.is_set()

    def leave(self) -> None:
        """Give it up."""
        if self.leaving:
            self._ask()
        self._leaving.set()

    async def run(self) -> None:
        """Keep it until it is given up and its worker has ended."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while not self.leaving:
            began = clock()
            how = await self._work()
            if self.leaving:
                break
            failures = 0 if clock() - began >= STEADY else failures
            jitter = random.random()  # noqa: S311 - no secret
            pause = retry.pause(failures, first=FIRST_PAUSE, longest=LONGEST_PAUSE, jitter=jitter)
            failures += 1
            _log.warning("a worker has ended by itself", model=self._model, how=how, again_in=round(pause, 1))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._leaving.wait()

    async def _work(self) -> str:
        """See one worker through; how it has ended."""
        try:
            process = self._process = await self._start()
        except OSError as error:
            return f"it could not be started: {error}"
        _log.info("worker started", model=self._model, pid=process.pid)
        try:
            how = told(await self._ended(process))
        finally:
            self._ask()
            self._process = None
        _log.info("worker ended", model=self._model, pid=process.pid, how=how)
        return how

    async def _ended(self, process: Process) -> int:
        """Its exit code, once it has ended by itself or because the berth was given up."""
        ending, leaving = asyncio.ensure_future(process.wait()), asyncio.ensure_future(self._leaving.wait())
        try:
            await asyncio.wait((ending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                _log.info("worker is to leave", model=self._model, pid=process.pid)
                self._ask()
                await asyncio.wait((ending,), timeout=self._patience)
            if not ending.done():
                _log.error("worker killed", model=self._model, pid=process.pid, why="it has not ended in its grace")
                process.kill()
            return await ending
        finally:
            leaving.cancel()
            ending.cancel()

    def _ask(self) -> None:
        """Ask its worker to end, if there is one."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
