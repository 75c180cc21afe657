"""The crew: the workers of one model on this machine."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable

from leveret.autoscale.place import Place


class Crew:
    """As many workers as are wanted, each in a place of its own; the newest leaves first, the oldest is warmest."""

    def __init__(
        self, *, model: str, start: Callable[[], Awaitable[Process]], grace: float, group: asyncio.TaskGroup
    ) -> None:
        self._model = model
        self._start = start
        self._grace = grace
        self._group = group
        self._places: dict[asyncio.Task[None], Place] = {}

    @property
    def size(self) -> int:
        """How many there are, without those that leave."""
        return len(self._staying())

    def want(self, count: int) -> None:
        """Have so many: others are started, or leave. One that leaves already is not called back."""
        staying = self._staying()
        for place in staying[count:]:
            place.leave()
        for _ in range(count - len(staying)):
            place = Place(model=self._model, start=self._start, grace=self._grace)
            task = self._group.create_task(place.run())
            self._places[task] = place
            task.add_done_callback(self._places.pop)

    def hurry(self) -> None:
        """Have those that leave hand back what they run."""
        for place in self._places.values():
            if place.leaving:
                place.leave()

    def _staying(self) -> list[Place]:
        return [place for place in self._places.values() if not place.leaving]
