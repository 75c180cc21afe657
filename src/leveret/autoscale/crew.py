"""The crew: the workers of one model on this machine."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable

from leveret.autoscale.berth import Berth


class Crew:
    """As many workers as are wanted, each in a berth of its own; the newest leaves first, the oldest is warmest."""

    def __init__(
        self, *, model: str, start: Callable[[], Awaitable[Process]], grace: float, group: asyncio.TaskGroup
    ) -> None:
        self._model = model
        self._start = start
        self._grace = grace
        self._group = group
        self._berths: dict[asyncio.Task[None], Berth] = {}

    @property
    def size(self) -> int:
        """How many there are, without those that leave."""
        return len(self._staying())

    def want(self, count: int) -> None:
        """Have so many: others are started, or leave. One that leaves already is not called back."""
        staying = self._staying()
        for berth in staying[count:]:
            berth.leave()
        for _ in range(count - len(staying)):
            berth = Berth(model=self._model, start=self._start, grace=self._grace)
            task = self._group.create_task(berth.run())
            self._berths[task] = berth
            task.add_done_callback(self._berths.pop)

    def hurry(self) -> None:
        """Have those that leave hand back what they run."""
        for berth in self._berths.values():
            if berth.leaving:
                berth.leave()

    def _staying(self) -> list[Berth]:
        return [berth for berth in self._berths.values() if not berth.leaving]
