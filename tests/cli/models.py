"""What the tests of the command line have served."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from leveret import Canceled, Context, File, Retry, model


@model
def add(numbers: list[int], sign: Literal[1, -1] = 1) -> int:
    """Adds numbers up."""
    return sign * sum(numbers)


@model
def tell(words: list[str], gate: str = "") -> Iterator[str]:
    """Says these words; after the first it waits until there is a file of that name."""
    for number, word in enumerate(words):
        if number == 1 and gate:
            _wait(gate)
        yield word


@model
def twice(words: list[str], context: Context) -> Iterator[str]:
    """Says these words, and is not content with the first time."""
    yield from words
    if context.attempt == 1:
        raise Retry(after=1, reason="not good enough")


@model
def numbers(to: int) -> Iterator[int]:
    """Counts."""
    yield from range(to)


@model
def slow(gate: str, context: Context) -> dict[str, str]:
    """Gets half way, and is done as soon as there is a file of that name."""
    context.log("begun")
    context.progress(0.5, "half way")
    _wait(gate)
    return {"gate": "open"}


@model
def stubborn(gate: str, context: Context) -> str:
    """Ends when there is such a file, canceled or not."""
    context.progress(0.25, "stubborn")
    try:
        _wait(gate)
    except Canceled:
        _wait(gate)
    return "ended"


@model
def fail(reason: str) -> str:
    """Fails."""
    raise ValueError(reason)


@model
def copies(file: File, count: int) -> list[File]:
    """The same file, so many times."""
    return [file] * count


def _wait(gate: str) -> None:
    while not Path(gate).exists():
        time.sleep(0.005)
