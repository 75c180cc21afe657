"""The models that the measurements serve, beside the one of the contest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from leveret import model

BATCH: Final = 32

WINDOW: Final = 0.005
"""How long a batch waits to be full, in seconds."""

NAP: Final = 0.005
"""How long a nap takes, in seconds."""

DOZE: Final = 0.02
"""How long a doze takes, in seconds."""

TICK: Final = 0.1
"""How long a stream takes from one chunk to the next, in seconds."""

LAUNCH: Final = 0.005
"""What a call of a device costs whatever its size, in seconds."""


@model
def nap(n: int) -> int:
    time.sleep(NAP)
    return n


@model
def doze(n: int) -> int:
    time.sleep(DOZE)
    return n


@model
def tick(n: int) -> Iterator[float]:
    """Each chunk is the time at which it is yielded."""
    for _ in range(n):
        time.sleep(TICK)
        yield time.time()


@model
def nothing(n: int) -> int:
    return n


@model(batch=BATCH, batch_window=WINDOW)
def nothing_batched(n: list[int]) -> list[int]:
    return n


@model
def launch(n: int) -> int:
    time.sleep(LAUNCH)
    return n


@model(batch=BATCH, batch_window=WINDOW)
def launch_batched(n: list[int]) -> list[int]:
    time.sleep(LAUNCH)
    return n


@model
def chore(n: int) -> int:
    """Takes so many milliseconds."""
    time.sleep(n / 1e3)
    return n
