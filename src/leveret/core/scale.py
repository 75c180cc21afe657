"""The scale: how many workers a model wants, by what waits, what runs, and how long that takes."""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

TARGET_WAIT: Final = 30.0
"""How long a prediction may wait if nobody says otherwise, in seconds."""

MOST: Final = 1_000_000
"""No load asks for more workers than these, however short the wait is to be."""


class Load(Struct, frozen=True, kw_only=True):
    """What there is to do for one model.

    `mean_run` is how long one of its runs takes, in seconds; None until one has ended. `slots` is how many runs one
    worker has under way at once.
    """

    queued: int = 0
    running: int = 0
    mean_run: float | None = None
    slots: int = 1


def desired(load: Load, *, target_wait: float = TARGET_WAIT) -> int:
    """With how many workers what waits now has begun within `target_wait` seconds, beside what runs.

    Nothing to do wants nobody, anything at least one. While nobody knows how long a run takes, what waits
    is worth no more than that one: it finds out.
    """
    if not load.queued and not load.running:
        return 0
    work = load.queued * (load.mean_run or 0.0) / target_wait + load.running
    return min(MOST, max(1, math.ceil(work / load.slots)))


def within(count: int, *, least: int, most: int) -> int:
    """The count, or the bound that it is beyond."""
    return max(least, min(most, count))
