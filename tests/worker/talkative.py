"""Models that write: to Python's streams, to C's, to the file descriptors."""

# ruff: noqa: T201 - they are here to print

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]

from leveret import Context, model

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

C = ctypes.CDLL(None)


class Broken:
    """Stands where a stream should be."""

    def write(self, text: str) -> None:
        pass

    def flush(self) -> None:
        raise RuntimeError("no water")


def in_order() -> None:
    for number in range(3):
        print("print", number)
        logging.info("logging %d", number)
        C.puts(b"puts %d" % number)
        os.write(2, b"write %d\n" % number)
        subprocess.run(["/bin/echo", "program", str(number)], check=True)


def unfinished() -> None:
    print("begun", end="", flush=True)
    C.printf(b", and")
    C.fflush(None)
    sys.stderr.write(" so on")


def in_c_only() -> None:
    C.printf(b"never flushed")


def to_the_pipe(gate: str) -> None:
    print("waiting")
    with Path(gate).open("rb") as pipe:
        pipe.read()


def much() -> None:
    for _ in range(100):
        print("é" * 4999)


def one_long_line() -> None:
    sys.stdout.write("x" * 100_000)


def broken_streams() -> None:
    sys.stdout = sys.stderr = Broken()  # as some users do


def mended_streams() -> None:
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    print("mended")


HOW: dict[str, Callable[[], object]] = {
    "in order": in_order,
    "unfinished": unfinished,
    "in c only": in_c_only,
    "no utf-8": lambda: os.write(1, b"caf\xe9\nhalf \xc3"),
    "surrogate": lambda: print("half a pair: \ud83d"),
    "split character": lambda: [os.write(1, b"\xc3"), os.write(1, b"\xa9\n")],
    "crash": lambda: ctypes.string_at(0),
    "much": much,
    "one long line": one_long_line,
    "broken streams": broken_streams,
    "mended streams": mended_streams,
}


@model
def talk(how: str, gate: str = "") -> str:
    if gate:
        to_the_pipe(gate)
    else:
        HOW.get(how, lambda: print(how))()
    return how


@model
def both(context: Context) -> None:
    for number in range(200):
        print("print", number)
        context.log(f"log {number}")


@model
def endless(context: Context) -> None:
    for _ in range(100):
        context.log("x" * 9999)


@model
def bars(steps: int) -> None:
    for step in tqdm(range(steps), desc="Denoising"):
        if step == steps // 2:
            print("half")


@model(batch=4)
def bars_together(words: list[str]) -> list[str]:
    return list(tqdm(words))


@model(batch=4)
def together(words: list[str]) -> list[int]:
    print(*words)
    return [len(word) for word in words]


@model
def lines(to: int) -> Iterator[int]:
    for number in range(to):
        print("line", number)
        yield number
    print("end")


@model
class Always:
    """Writes when nothing runs, too."""

    def setup(self) -> None:
        print("setting up", file=sys.stderr)

    def predict(self, gate: str = "", said: str = "") -> None:
        print("predicting")
        if gate:
            threading.Thread(target=self.mutter, args=[gate, said]).start()

    def mutter(self, gate: str, said: str) -> None:
        """Write once the test says that the run has ended, and tell it."""
        Path(gate).read_bytes()
        print("between")
        Path(said).write_bytes(b"")


print("loading", file=sys.stderr)
