"""The autoscaler: asks the gateway how many workers each model wants, and has so many."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import structlog
from structlog.typing import FilteringBoundLogger

from leveret.autoscale.crew import Crew
from leveret.autoscale.duty import Duty, Rule
from leveret.autoscale.steady import Steady
from leveret.core.scale import within
from leveret.errors import LeveretError, Unavailable

if TYPE_CHECKING:
    from leveret.client import Scale

Ask: TypeAlias = "Callable[[str], Awaitable[Scale]]"
"""What a model of this name wants. Raises LeveretError."""

Start: TypeAlias = Callable[[str], Awaitable[Process]]
"""Start a worker for this target. Raises OSError."""

_log: FilteringBoundLogger = structlog.get_logger()


class Autoscaler:
    """Keeps the workers of every duty.

    1. asks the gateway once, so that a key that may not ask is found out before anything is started,
    2. asks it again and again; more workers are started at once, fewer only after a while; while there is no answer,
       they stay as many as they are,
    3. starts again what ends by itself,
    4. on `stop` has all workers drain, called again: hand back at once; it ends when they have.
    """

    def __init__(self, duties: Sequence[Duty], *, rule: Rule, ask: Ask, start: Start, grace: float) -> None:
        self._duties = duties
        self._rule = rule
        self._ask = ask
        self._start = start
        self._grace = grace
        self._crews: list[Crew] = []
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Run until stopped. Raises LeveretError if the gateway refuses to answer from the beginning."""
        for duty in self._duties:
            try:
                await self._ask(duty.model)
            except Unavailable as error:
                _log.warning("the gateway does not answer yet", model=duty.model, reason=str(error))
        async with asyncio.TaskGroup() as berths:
            async with asyncio.TaskGroup() as asking:
                tasks = [asking.create_task(self._follow(duty, berths)) for duty in self._duties]
                await self._stopping.wait()
                for task in tasks:
                    task.cancel()
            for crew in self._crews:
                crew.want(0)

    def stop(self) -> None:
        """Have all workers finish what they run, and end; called again: have them hand it back."""
        if self._stopping.is_set():
            for crew in self._crews:
                crew.hurry()
        self._stopping.set()

    async def _follow(self, duty: Duty, berths: asyncio.TaskGroup) -> None:
        """Have what this duty wants, for ever."""
        rule, clock = self._rule, asyncio.get_running_loop().time
        start = partial(self._start, duty.target)
        crew = Crew(model=duty.model, start=start, grace=self._grace, group=berths)
        self._crews.append(crew)
        crew.want(rule.least)
        steady = Steady(patience=rule.patience)
        while True:
            try:
                scale = await self._ask(duty.model)
            except LeveretError as error:
                _log.warning("nobody says how many are wanted", model=duty.model, has=crew.size, reason=str(error))
            else:
                wanted = within(scale.desired, least=rule.least, most=rule.most)
                _have(crew, steady.of(wanted, at=clock()), scale)
            await asyncio.sleep(rule.period)


def _have(crew: Crew, count: int, scale: Scale) -> None:
    if count != crew.size:
        seen = {"queued": scale.queued, "running": scale.running, "mean_run": scale.mean_run, "slots": scale.slots}
        _log.info("workers", model=scale.model, had=crew.size, has=count, **seen)
        crew.want(count)
