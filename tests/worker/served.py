"""Models that the tests of the model process serve: well-behaved ones and the others."""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from leveret import Context, Retry, model

calls: list[int] = []


class UnspeakableError(Exception):
    """Cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


def wait_for(gate: str) -> None:
    """Wait until the test opens the named pipe for writing."""
    with Path(gate).open("rb") as pipe:
        pipe.read()


@model(name="acme/shout")
def shout(text: Annotated[str, Field(max_length=10)], times: int = 1) -> str:
    """Make it loud."""
    return " ".join([text.upper()] * times)


@model
def wait(gate: str = "") -> str:
    if gate:
        wait_for(gate)
    return gate


ERRORS = {
    "value": ValueError("no such hare"),
    "bare": ValueError(),
    "interrupt": KeyboardInterrupt(),
    "generator exit": GeneratorExit(),
    "memory": MemoryError(),
    "unspeakable": UnspeakableError(),
    "surrogate": ValueError("half a pair: \ud83d"),
    "long": ValueError("x" * 1_000_000),
}


@model
def misbehave(how: str) -> object:
    def deeper(depth: int) -> int:
        return deeper(depth + 1)

    match how:
        case "chained":
            try:
                return int("hare")
            except ValueError as error:
                raise KeyError("hare") from error
        case "exit":
            sys.exit(3)
        case "recursion":
            return deeper(0)
        case "output":
            return object()
        case "nan":
            return [float("nan")]
    if how in ERRORS:
        raise ERRORS[how]
    return how


class LaterError(Retry):
    """Has made something else of what it says."""

    reason = "from the class"

    def __init__(self) -> None:
        self.after = "soon"  # type: ignore[assignment]  # wrong on purpose


class UnspeakableRetryError(Retry):
    """Forgets to set anything."""

    def __init__(self) -> None: ...


@model(retries=4, retry_on=Exception)
def ask_again(how: Annotated[str, Field(max_length=10)]) -> object:
    match how:
        case "after":
            raise Retry("quota", after=2)
        case "bare":
            raise Retry
        case "subclass":
            raise UnspeakableRetryError
        case "wrong":
            raise LaterError
        case "named":
            raise TimeoutError("no answer")
        case "exit":
            sys.exit(3)
        case "output":
            return object()
    return how


@model(batch=8, retry_on=ConnectionError)
def ask_together(numbers: list[int]) -> list[int]:
    if 13 in numbers:
        raise Retry("13 is bad luck")
    if 14 in numbers:
        raise ConnectionResetError("14 is far away")
    return numbers


@model(batch=8)
def double(numbers: list[int]) -> list[int]:
    """Misbehaves on some numbers."""
    calls.append(len(numbers))
    if 13 in numbers:
        raise ValueError("13 is bad luck")
    if 14 in numbers:
        return numbers[1:]
    if 15 in numbers:
        return 15  # type: ignore[return-value]  # wrong on purpose
    return [object() if number == 16 else 2 * number for number in numbers]  # type: ignore[misc]  # wrong on purpose


@model(batch=8)
def sizes(numbers: list[int]) -> list[list[int]]:
    """Tell each client how many calls there were, and with how many inputs."""
    calls.append(len(numbers))
    return [list(calls) for _ in numbers]


@model(batch=8)
def rows(numbers: list[int]):  # type: ignore[no-untyped-def]  # as users write it
    return np.array([[number, number] for number in numbers], dtype=np.float32)


@model(batch=8)
def greet(names: list[str], contexts: list[Context]) -> list[str]:
    for name, context in zip(names, contexts, strict=True):
        context.log(f"hello {name}")
    return [f"{context.id} {context.attempt}" for context in contexts]


@model
def count(to: int, gate: str = "", fail: bool = False) -> Iterator[int]:
    yield from range(to)
    if gate:
        wait_for(gate)
    if fail:
        raise ValueError("lost count")


@model
def mixed(text: str) -> Iterator[object]:
    yield text
    yield object()
    raise AssertionError("nobody asks for more")


@model
def tell(context: Context, gate: str = "") -> str:
    context.progress(0.25, "begun")
    context.log("one")
    context.log("two")
    context.progress(0.5)
    context.progress(0.75, "nearly")
    if gate:
        wait_for(gate)
    return f"{context.id} {context.attempt}"


@model
def mumble(context: Context) -> None:
    context.log("half a pair: \ud83d")
    context.progress(1, "\ud83d")


@model
def hold_the_interpreter(pipe: str) -> int:
    """Never let another thread run: a call into C that does not release the lock."""
    writer = os.open(pipe, os.O_WRONLY)
    os.write(writer, b"x")
    return ctypes.PyDLL(None).pause()  # type: ignore[no-any-return]


@model
def sockets_of(whom: str) -> int:
    """How many sockets are open in this process, in one it forks, or in a program it starts."""
    if whom == "fork":
        return _counted_in_a_fork()
    if whom == "program":
        script = (
            "import os, stat; print(sum(stat.S_ISSOCK(os.stat(f'/proc/self/fd/{fd}').st_mode)"
            " for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')))"
        )
        run = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, close_fds=False
        )
        return int(run.stdout)
    return _sockets()


@model
def lowest_socket() -> int:
    """The lowest file descriptor that is a socket."""
    return min(fd for fd in _descriptors() if stat.S_ISSOCK(os.fstat(fd).st_mode))


@model
def echo(text: str) -> str:
    """Noisy on both standard streams."""
    print("x" * 10_000)  # noqa: T201
    print("y" * 10_000, file=sys.stderr)  # noqa: T201
    return text


@model
class Stateful:
    def setup(self) -> None:
        self.thread = threading.current_thread() is threading.main_thread()

    def predict(self) -> list[bool]:
        return [self.thread, threading.current_thread() is threading.main_thread()]


@model
class Sickly:
    """Healthy as long as it has not been told otherwise."""

    sick = False

    def healthcheck(self) -> bool:
        assert threading.current_thread() is threading.main_thread()
        return not self.sick

    def predict(self, sick: bool) -> bool:
        self.sick = sick
        return sick


@model
class BrokenSetup:
    def setup(self) -> None:
        raise OSError("no weights on this disk")

    def predict(self) -> None: ...


@model
class LeavingSetup:
    def setup(self) -> None:
        sys.exit("the licence is missing")

    def predict(self) -> None: ...


@model
class BrokenConstructor:
    def __init__(self) -> None:
        raise OSError("no device")

    def predict(self) -> None: ...


@model
class EndlessSetup:
    def setup(self) -> None:
        sys.stderr.write("setting up\n")
        sys.stderr.flush()
        threading.Event().wait()

    def predict(self) -> None: ...


def _descriptors() -> list[int]:
    return [int(fd) for fd in os.listdir("/proc/self/fd") if Path(f"/proc/self/fd/{fd}").exists()]


def _sockets() -> int:
    return sum(stat.S_ISSOCK(os.fstat(fd).st_mode) for fd in _descriptors())


def _counted_in_a_fork() -> int:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, bytes([_sockets()]))
        os._exit(0)
    os.waitpid(pid, 0)
    return os.read(reader, 1)[0]
