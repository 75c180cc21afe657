"""The loop: the event loop of an asynchronous model, in the main thread of the model process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Loop:
    """Runs the model's coroutines, whatever they raise.

    asyncio stops a loop in which some task raises SystemExit or KeyboardInterrupt. The task has ended with it, and
    whoever awaits the task hears of it, so this loop goes on. Everything runs in one context: what `setup` puts into
    context variables is there in the runs.
    """

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._context = copy_context()

    def run(self, coroutine: Coroutine[None, None, T]) -> T:
        """What the coroutine returns or raises."""
        loop = self._runner.get_loop()
        task = loop.create_task(coroutine, context=self._context)
        while True:
            try:
                return loop.run_until_complete(task)
            except BaseException:
                if task.done() or loop.is_closed():
                    raise

    def soon(self, callback: Callable[[*Ts], None], *arguments: *Ts) -> None:
        """Have it called in the loop. For any thread; nothing happens once the loop is closed."""
        with suppress(RuntimeError):
            self._runner.get_loop().call_soon_threadsafe(callback, *arguments, context=self._context)

    def close(self) -> None:
        """Cancel whatever the model has left in it."""
        with suppress(BaseException):  # the process ends in any case, and well
            self._runner.close()
