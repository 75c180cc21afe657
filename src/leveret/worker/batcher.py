"""The batcher: how many deliveries to take together, by how long the model's runs take."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from msgspec import Struct

from leveret.core.ports import Deliveries, Delivery

FAST: Final = 0.05
"""A model whose mean run takes longer is slow, in seconds."""

TOGETHER: Final = 0.025
"""What fast runs are taken together for, in seconds: enough to spread the cost of a claim, too short to matter to
whoever waits behind them. Twice as much made small accounts wait three times as long as is fair beside a burst, which
was in hand already (docs/adr/0007)."""

MOST: Final = 64
"""The most fast runs that are taken together."""

WEIGHT: Final = 0.2
"""How much the newest runs count in the mean."""

DRIFT: Final = 4
"""By which factor the size of batches may leave what was agreed with the broker before that is agreed anew."""


class Terms(Struct, frozen=True):
    """On which terms a process consumes: how many deliveries make a batch, and how many batches it has in hand.

    A slow model gets its next batch when it has done the last one, so that no delivery waits in a busy worker while
    another is idle. Of a fast one the next batch is claimed while one runs and the last one is recorded, and a
    third is on its way.

    A model that makes several runs `at_once` has room for single runs: a slow one for so many as it makes, and then
    any number is taken that there is room for; a fast one for as many more, and they are taken by the batch.
    """

    fast: bool
    most: int
    at_once: bool = False

    @property
    def room(self) -> int:
        """How many batches are in hand at once, or how many runs."""
        batches = 2 if self.fast else 1
        return batches * self.most if self.at_once else batches

    @property
    def least(self) -> int:
        """How much room there must be for the next batch."""
        return self.most if self.at_once and self.fast else 1

    @property
    def ahead(self) -> int:
        """How many deliveries of each lane the broker may send before they are taken."""
        return self.most * 3 if self.fast else 0

    def fit(self, now: Terms) -> bool:
        """Whether they are still about what they would be now."""
        return now.fast is self.fast and 1 / DRIFT <= now.most / self.most <= DRIFT


class Pace:
    """How long the model's runs take, learned from those that have ended, and which terms follow from it.

    A batched model always gets up to `batch` together. Any other model gets as many as are expected to take about
    25 ms: one at a time while that is unknown or the model slow, up to 64 when it is fast. One that runs several at
    once gets no fewer than those.
    """

    def __init__(self) -> None:
        self._mean: float | None = None

    def learn(self, seconds: float) -> None:
        """Runs that have just ended took this long each."""
        self._mean = seconds if self._mean is None else self._mean + WEIGHT * (seconds - self._mean)

    def terms(self, batch: int, concurrency: int = 1) -> Terms:
        """The terms of this moment for a model with that size of batches, or that many runs at once."""
        at_once = concurrency > 1
        if self._mean is None:
            return Terms(fast=False, most=max(batch, concurrency), at_once=at_once)
        together = min(MOST, int(concurrency * TOGETHER / max(self._mean, TOGETHER / MOST)))
        most = batch if batch > 1 else max(concurrency, together)
        return Terms(fast=self._mean < FAST, most=most, at_once=at_once)


class Batcher:
    """Forms the batches of one consumption."""

    def __init__(self, deliveries: Deliveries, *, window: float) -> None:
        self._deliveries = deliveries
        self._window = window
        self._gathered: list[Delivery] = []

    async def take(self, most: int) -> list[Delivery]:
        """The next batch: up to `most`, as far as they come within the window after the first.

        Safe to cancel: what it has gathered is then `left`.
        """
        self._gathered += await self._deliveries.take(most)
        if self._window > 0 and len(self._gathered) < most:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._window):
                    while len(self._gathered) < most:
                        self._gathered += await self._deliveries.take(most - len(self._gathered))
        return self.left()

    def left(self) -> list[Delivery]:
        """What was gathered and has not become a batch."""
        left, self._gathered = self._gathered, []
        return left
