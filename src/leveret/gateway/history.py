"""The history: how the lines of all models have moved in the last minutes, as this gateway has seen it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import structlog
from msgspec import Struct

from leveret.core.lanes import COUNT
from leveret.core.line import Line
from leveret.core.ports import Lines
from leveret.errors import Unavailable

PERIOD: Final = 2.0
"""Seconds between two looks."""

LENGTH: Final = 151
"""How many looks are remembered: those of five minutes."""

RECENT: Final = 60.0
"""Seconds over which a rate is taken."""

_log = structlog.get_logger()


class Stand(Struct, frozen=True):
    """How predictions stand: how many have come and have ended, in how many seconds of running; what runs and waits."""

    submitted: int = 0
    ended: int = 0
    seconds: float = 0.0
    running: int = 0
    lanes: tuple[int, ...] = (0,) * COUNT


class Look(Struct, frozen=True):
    """How the predictions of all models stood, and when that was (Unix seconds)."""

    at: float
    models: Mapping[str, Stand]


class Pace(Struct, frozen=True):
    """How a model's predictions have moved lately: per second, and the mean run in seconds, if any has ended."""

    submitted: float = 0.0
    ended: float = 0.0
    run: float | None = None


class History:
    """Looks at the lines every two seconds and remembers some of it."""

    def __init__(self, *, lines: Lines) -> None:
        self._lines = lines
        self._looks: deque[Look] = deque(maxlen=LENGTH)
        self._known: dict[str, Line] = {}

    async def run(self) -> None:
        """Look for ever."""
        while True:
            try:
                await self.look()
            except Unavailable as error:
                _log.info("the history has a gap", reason=str(error))
            await asyncio.sleep(PERIOD)

    async def look(self) -> None:
        """Look now. Raises Unavailable."""
        found = await self._lines.lines()
        former = self._looks[-1].models if self._looks else {}
        stands = {model: self._stand(model, line) for model, line in found.items()}
        # What has not moved is kept once, so that idle models take next to no memory.
        kept = {model: stand if former.get(model) != stand else former[model] for model, stand in stands.items()}
        self._looks.append(Look(time.time(), kept))

    def looks(self, model: str | None) -> Iterator[tuple[float, Stand]]:
        """When it has looked, and how one model stood then, or all of them together."""
        for look in self._looks:
            yield look.at, _total(look.models.values()) if model is None else look.models.get(model, Stand())

    def pace(self, model: str) -> Pace:
        """How this model's predictions have moved lately."""
        if not self._looks:
            return Pace()
        last = self._looks[-1]
        first = next(look for look in self._looks if last.at - look.at <= RECENT)
        before, now = first.models.get(model, Stand()), last.models.get(model, Stand())
        span, ended = last.at - first.at, now.ended - before.ended
        if span <= 0 or ended < 0:  # the first look, or a store that has forgotten
            return Pace()
        submitted = max(0, now.submitted - before.submitted)
        return Pace(submitted / span, ended / span, (now.seconds - before.seconds) / ended if ended else None)

    def _stand(self, model: str, line: Line) -> Stand:
        """How it stands. What a line begins with when a store is opened again has not ended just now."""
        first = self._known.setdefault(model, line if line.quit < 0 else Line())
        return Stand(
            submitted=sum(line.entered),
            ended=line.ended - first.ended,
            seconds=line.seconds - first.seconds,
            running=line.running,
            lanes=line.waiting,
        )


def _total(stands: Iterable[Stand]) -> Stand:
    together = list(stands)
    return Stand(
        submitted=sum(one.submitted for one in together),
        ended=sum(one.ended for one in together),
        seconds=sum(one.seconds for one in together),
        running=sum(one.running for one in together),
        lanes=tuple(map(sum, zip(*[one.lanes for one in together], strict=True))) or Stand().lanes,
    )
