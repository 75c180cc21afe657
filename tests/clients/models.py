"""What the clients' tests have served."""

import time
from collections.abc import Iterator
from pathlib import Path

from leveret import Context, File, model

TEXTS = [" once", " upon\na", " time", "\u2028there", " was  a", " 🐇"]


@model
def greet(name: str, times: int = 1) -> str:
    """Says hello."""
    return " ".join([f"hello {name}"] * times)


@model
def tell(texts: list[str]) -> Iterator[str]:
    """Says these words, one after the other."""
    yield from texts


@model
def gated(gate: str, context: Context) -> Iterator[str]:
    """Says something, and the rest when there is a file of that name."""
    context.log("waiting")
    yield "first"
    context.progress(0.5, "half")
    while not Path(gate).exists():
        time.sleep(0.005)
    yield "second"


@model
def silent(seconds: float) -> Iterator[str]:
    """Says nothing for so long, and then a word."""
    time.sleep(seconds)
    yield "there"


@model
def fail(reason: str) -> str:
    """Fails."""
    raise ValueError(reason)


@model
def turn(file: File) -> File:
    """Turns a file around."""
    return File(file.read()[::-1], file.content_type, f"turned-{file.name}")


@model
def film(frames: int) -> Iterator[File]:
    """Puts out so many files."""
    for number in range(frames):
        yield File(f"frame {number}".encode(), "text/plain", f"{number}.txt")
