"""Models that the tests of interrupts serve: each tells how far it is by progress, then goes on until it is stopped."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from leveret import Canceled, Context, model


@model
def sleep(context: Context, how: str = "") -> str:
    """Swallows what it can."""
    try:
        context.progress(0.5)
        time.sleep(3600)
    except Exception:
        return "swallowed"
    except Canceled:
        if how == "raise":
            raise RuntimeError("something else") from None
        if how == "return":
            return "finished all the same"
        raise
    finally:
        context.log("cleaned up")
    return "never"


@model
def doze(context: Context) -> None:
    """Let the other threads run only when it is about to wait: then a signal is sent just before it does."""
    context.progress(0.5)
    until = time.perf_counter() + 0.002
    while time.perf_counter() < until:
        pass
    time.sleep(3600)


@model
def spin(context: Context) -> int:
    """Python code that never waits."""
    context.progress(0.5)
    number = 0
    while True:
        number += 1


@model
def count(context: Context) -> Iterator[int]:
    number = 0
    try:
        context.progress(0.5)
        while True:
            yield number
            number += 1
    finally:
        context.log("closed")


@model
def chatter(to: int, context: Context) -> Iterator[int]:
    """Our own code most of the time: it puts out, and says how far it is."""
    for number in range(to):
        yield number
        context.log("x" * 100)
        context.progress(number / to)


@model(batch=8)
def together(numbers: list[int], contexts: list[Context]) -> list[int]:
    if 0 in numbers:
        contexts[0].progress(0.5)
        time.sleep(3600)
    return numbers


@model(batch=8, batch_key="kind")
def sorted_by_kind(kind: list[str], numbers: list[int], contexts: list[Context]) -> list[int]:
    """A call for each kind. Zero fails its call, and the file `gate` lets those of the kind `gated` go on."""
    contexts[0].progress(0.5, kind[0])
    while kind[0] == "gated" and not Path("gate").exists():
        time.sleep(0.005)
    if 0 in numbers:
        raise ValueError("zero")
    return numbers
