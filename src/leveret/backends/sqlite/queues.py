"""Queues: a model's lanes as far as memory holds them, and those who take from them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from leveret.backends.sqlite.messages import Message
from leveret.core.lanes import COUNT, Rota

Load: TypeAlias = Callable[[int, int], list[Message]]
"""The next messages of a lane behind a position."""


class Lane:
    """A lane: the messages at its front are here, the others wait in the database until they are loaded."""

    def __init__(self, load: Callable[[int], list[Message]]) -> None:
        self.waiting = 0
        self._load = load
        self._front: deque[Message] = deque()
        self._loaded = 0

    def pop(self) -> Message | None:
        """The first message; None if there is none after all, as somebody has removed what waited."""
        if not self._front:
            self._front += self._load(self._loaded)
            if not self._front:
                self.waiting = 0
                return None
            self._loaded = self._front[-1].position
        self.waiting -= 1
        return self._front.popleft()

    def put_back(self, message: Message) -> None:
        """In front of the others."""
        self._front.appendleft(message)
        self.waiting += 1


class Queue:
    """A model's lanes. Whoever waits for a message waits for `changed`."""

    def __init__(self, load: Load) -> None:
        self.lanes = [Lane(partial(load, number)) for number in range(COUNT)]
        self.changed = asyncio.Event()
        self._rota = Rota()

    def ready(self) -> list[int]:
        """The lanes in which a message waits."""
        return [number for number, lane in enumerate(self.lanes) if lane.waiting]

    def pop(self, lanes: Sequence[int]) -> Message | None:
        """The next message of these lanes; None if the lane whose turn it is has none after all."""
        return self.lanes[self._rota.pick(lanes)].pop()

    def arrived(self, lane: int, count: int = 1) -> None:
        """So many messages more wait in the database."""
        self.lanes[lane].waiting += count
        self.changed.set()

    def put_back(self, messages: Sequence[Message]) -> None:
        """Put them in front again, in this order."""
        for message in reversed(messages):
            self.lanes[message.lane].put_back(message)
        self.changed.set()


class Hand:
    """What one consumer has taken and not dealt with."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._held: dict[int, Message] = {}
        self._open = True

    def take(self) -> Message | None:
        """The next message, if there is one."""
        while self._open and (ready := self._queue.ready()):
            message = self._queue.pop(ready)
            if message is not None:
                self._held[message.position] = message
                return message
        return None

    @property
    def holds(self) -> int:
        """How many there are in it."""
        return len(self._held)

    async def wait(self) -> None:
        """Until `take` may have something again."""
        self._queue.changed.clear()
        await self._queue.changed.wait()

    def release(self, message: Message) -> bool:
        """It is out of the hand, so there is room for another; False if it has been before."""
        released = self._held.pop(message.position, None) is not None
        self._queue.changed.set()
        return released

    def put_back(self, message: Message) -> None:
        """Put in front of its lane what was released."""
        self._queue.put_back([message])

    def close(self) -> None:
        """Put everything back, and take nothing more."""
        self._open = False
        self._queue.put_back(list(self._held.values()))
        self._held.clear()
