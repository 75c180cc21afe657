"""The room: how much more a model process may be given now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from leveret.core.ports import Delivery
from leveret.core.prediction import Prediction
from leveret.worker.batcher import FAST, Terms

AGAIN: Final = 5.0
"""Seconds until a room that did not become empty in time is watched again."""


class Room:
    """Counts what a process has in hand, on the terms of a consumption and on those of the moment: `now`.

    For most models it counts batches: a batch makes room when all of its runs have ended. For one that runs several
    at once it counts runs: each makes room when it ends, so that a slow one keeps back nothing but itself. Of these
    a batch is admitted when the last one has been claimed: so what arrives meanwhile is claimed together.
    """

    def __init__(self, terms: Terms, now: Callable[[], Terms]) -> None:
        self.at_once = terms.at_once
        self._terms = terms
        self._now = now
        self._taken = 0
        self._claiming = False
        self._changed = asyncio.Event()
        self._watched = -AGAIN

    async def wait(self) -> None:
        """Wait until there is room for another batch."""
        while self._claiming or self._left() < min(self._terms.least, self._now().least):
            self._changed.clear()
            await self._changed.wait()

    def most(self) -> int:
        """How many deliveries the next batch may have."""
        most = self._now().most
        return min(most, self._left()) if self.at_once else most

    def admit(self, deliveries: Sequence[Delivery]) -> Stay:
        """The next batch."""
        self._claiming = self.at_once
        self._taken += len(deliveries) if self.at_once else 1
        return Stay(self, deliveries)

    async def empty(self) -> bool:
        """Whether what is in hand will be done soon; if it may take a while, that is not waited for.

        What runs in turn is done when it is done: nothing could be taken meanwhile anyway.
        """
        if not self.at_once:
            return True
        clock = asyncio.get_running_loop().time
        if clock() < self._watched + AGAIN:
            return self._taken == 0
        with suppress(TimeoutError):
            async with asyncio.timeout(FAST):
                while self._taken:
                    self._changed.clear()
                    await self._changed.wait()
        self._watched = clock()
        return self._taken == 0

    def claimed(self) -> None:
        """What was admitted last has been claimed."""
        self._claiming = False
        self._changed.set()

    def leave(self) -> None:
        """A batch, or a single run, has left."""
        self._taken -= 1
        self._changed.set()

    def _left(self) -> int:
        return min(self._terms.room, self._now().room) - self._taken


class Stay:
    """A batch that was admitted, from its admission to its end."""

    def __init__(self, room: Room, deliveries: Sequence[Delivery]) -> None:
        self._room = room
        self._claimed = False
        singles = [_Single(delivery, room) for delivery in deliveries] if room.at_once else None
        self.deliveries: Sequence[Delivery] = singles or deliveries

    def claimed(self) -> None:
        """What is to be run of it has been claimed."""
        if not self._claimed:
            self._claimed = True
            self._room.claimed()

    def end(self) -> None:
        """All of it has been dealt with."""
        self.claimed()
        if not self._room.at_once:
            self._room.leave()


class _Single:
    """A delivery that leaves the room by itself. It ends in exactly one of these ways, once."""

    __slots__ = ("_delivery", "_room", "prediction")

    def __init__(self, delivery: Delivery, room: Room) -> None:
        self.prediction: Prediction = delivery.prediction
        self._delivery = delivery
        self._room = room

    def ack(self) -> None:
        """See core.ports.Delivery."""
        self._room.leave()
        self._delivery.ack()

    async def retry(self, delay: float) -> None:
        """See core.ports.Delivery."""
        self._room.leave()
        await self._delivery.retry(delay)

    async def guard(self, delay: float) -> None:
        """See core.ports.Delivery."""
        await self._delivery.guard(delay)

    def reject(self) -> None:
        """See core.ports.Delivery."""
        self._room.leave()
        self._delivery.reject()
