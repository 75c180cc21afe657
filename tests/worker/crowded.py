"""Asynchronous models that the tests of concurrent runs serve: each goes on when the test touches a file."""

# ruff: noqa: T201 - some are here to print

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]

from leveret import Context, model

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

C = ctypes.CDLL(None)
under_way: list[str] = []
counts: list[int] = []


async def opens(gate: str) -> None:
    """Wait until the test makes this file."""
    while not Path(gate).exists():  # noqa: ASYNC240 - looks, and does not wait
        await asyncio.sleep(0.002)


@model(concurrency=3)
async def meet(name: str, others: int, context: Context) -> int:
    """Answer how many were under way at most, which has to be as many as expected."""
    under_way.append(name)
    counts.append(len(under_way))
    context.progress(0.5)
    while max(counts) < others:
        await asyncio.sleep(0)
    await opens("open")
    under_way.remove(name)
    return max(counts)


@model
async def alone(context: Context) -> int:
    """Answer how many were under way."""
    under_way.append(context.id)
    for _ in range(20):
        await asyncio.sleep(0)
    most = len(under_way)
    under_way.remove(context.id)
    return most


@model(concurrency=8)
async def count(start: int, to: int) -> AsyncIterator[int]:
    for number in range(start, to):
        if number % 3 == 0:
            await asyncio.sleep(0)
        yield number


@model(concurrency=4)
async def wait(context: Context, how: str = "") -> str:
    """Go on until it is canceled, or the file `open` is there."""
    context.progress(0.5)
    try:
        await opens("open")
    except asyncio.CancelledError:
        context.log("canceled")
        if how == "raise":
            raise RuntimeError("something else") from None
        if how == "return":
            return "finished all the same"
        raise
    finally:
        context.log("cleaned up")
    return "let go"


@model(concurrency=4)
async def stream(context: Context, how: str = "") -> AsyncIterator[str]:
    """Yield until it is canceled: without ever waiting, or after having waited."""
    try:
        yield "first"
        while True:
            if how == "wait":
                context.progress(0.5)
                await opens("never")
            yield "again"
    except asyncio.CancelledError:
        context.log("canceled")
        if how == "swallow":
            yield "last"
            return
        raise
    finally:
        await asyncio.sleep(0)
        context.log("closed")


async def leave(code: int) -> None:
    sys.exit(code)


async def leave_in_a_task() -> None:
    await asyncio.create_task(leave(5))


async def leave_in_a_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(leave(6))


async def left_behind() -> None:
    asyncio.get_running_loop().call_soon(sys.exit, 7)
    await asyncio.sleep(0)


async def stop_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)


async def cancel_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


MISDEEDS: dict[str, Callable[[], Coroutine[None, None, None]]] = {
    "exit": lambda: leave(3),
    "exit in a task": leave_in_a_task,
    "exit in a group": leave_in_a_group,
    "left behind": left_behind,
    "stop": stop_the_loop,
    "cancel itself": cancel_itself,
}
ERRORS: dict[str, BaseException] = {
    "interrupt": KeyboardInterrupt(),
    "cancel": asyncio.CancelledError(),
    "value": ValueError("no such hare"),
}


@model(concurrency=4)
async def misbehave(how: str) -> object:
    if how in MISDEEDS:
        await MISDEEDS[how]()
    if how in ERRORS:
        raise ERRORS[how]
    return object() if how == "output" else how


@model(concurrency=4)
async def stray(how: str) -> AsyncIterator[object]:
    """A stream that misbehaves."""
    try:
        if how == "nothing":
            return
        yield "one"
        if how == "output":
            yield object()
        if how == "exit":
            sys.exit(3)
        raise ValueError("lost the thread")
    finally:
        print("closed")


@model(concurrency=4)
async def talk(word: str, times: int, context: Context) -> None:
    for number in range(times):
        print(word, end=" ")
        await asyncio.sleep(0)
        print(number)
        logging.info("%s logs", word)
        await asyncio.sleep(0)
        sys.stderr.write(f"{word} writes\n")
        await asyncio.create_task(whisper(f"{word} in a task"))
        await asyncio.to_thread(print, f"{word} in a thread")
        context.log(f"{word} tells")


async def whisper(word: str) -> None:
    await asyncio.sleep(0)
    sys.stdout.buffer.write(f"{word}\n".encode())


@model(concurrency=4)
async def bar(title: str, steps: int) -> None:
    for _ in tqdm(range(steps), desc=title, mininterval=0):
        await asyncio.sleep(0)
    sys.stdout.write("unfinished")


@model(concurrency=2)
async def below(context: Context, puts: str = "") -> None:
    """Writes past Python once the other is there."""
    under_way.append(context.id)
    context.progress(0.5)
    while len(under_way) < 2:
        await asyncio.sleep(0)
    if puts:
        C.puts(puts.encode())
        C.fflush(None)
    await opens("open")


@model(concurrency=2)
async def much() -> None:
    print("x" * 300_000)


token: contextvars.ContextVar[str] = contextvars.ContextVar("token", default="none")


@model(concurrency=2)
class Engine:
    """Keeps a task of its own, which answers the runs."""

    async def setup(self) -> None:
        token.set("from setup")
        self.loop = asyncio.get_running_loop()
        self.asked: asyncio.Queue[asyncio.Future[str]] = asyncio.Queue()
        self.engine = asyncio.create_task(self.answer())

    async def answer(self) -> None:
        while True:
            (await self.asked.get()).set_result(token.get())

    async def predict(self) -> list[object]:
        answer = self.loop.create_future()
        await self.asked.put(answer)
        return [self.loop is asyncio.get_running_loop(), await answer, token.get()]


@model(concurrency=2)
class Plain:
    """Its setup is not asynchronous, and finds the loop nevertheless."""

    def setup(self) -> None:
        self.loop = asyncio.get_running_loop()

    async def predict(self, to: int) -> AsyncIterator[bool]:
        for _ in range(to):
            yield self.loop is asyncio.get_running_loop()


@model
class BrokenSetup:
    async def setup(self) -> None:
        await asyncio.sleep(0)
        raise OSError("no weights on this disk")

    async def predict(self) -> None: ...


@model
class LeavingSetup:
    async def setup(self) -> None:
        sys.exit("the licence is missing")

    async def predict(self) -> None: ...


@model(concurrency=4)
async def fragile(how: str, context: Context) -> int:
    """Ends the process, or its loop's turns, as soon as its neighbours have begun."""
    under_way.append(how)
    context.progress(0.5)
    while "open" not in how and len(under_way) < 3:
        await asyncio.sleep(0)
    match how:
        case "crash":
            os._exit(3)
        case "block":
            context.log("blocks")
            time.sleep(3600)  # noqa: ASYNC251 - as it must not be
        case _:
            await opens("open")
    return context.attempt
