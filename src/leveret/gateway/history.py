"""The history: how the lines of all models have moved in the last minutes, as this gateway has seen it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import structlog
from msgspec import Struct

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


class Look(Struct, frozen=True):
    """The lines of all models, and when that was (Unix seconds)."""

    at: float
    lines: Mapping[str, Line]


class Pace(Struct, frozen=True):
    """How a model's predictions have moved lately: per second, and the mean run in seconds, if any has ended."""

    came: float = 0.0
    ended: float = 0.0
    run: float | None = None


class History:
    """Looks at the lines every two seconds and remembers some of it."""

    def __init__(self, *, lines: Lines) -> None:
        self._lines = lines
        self._looks: deque[Look] = deque(maxlen=LENGTH)

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
        former = self._looks[-1].lines if self._looks else {}
        # What has not moved is kept once, so that idle models take next to no memory.
        self._looks.append(Look(time.time(), {model: _same(former.get(model), line) for model, line in found.items()}))

    def looks(self, model: str | None) -> Iterator[tuple[float, Line]]:
        """When it has looked, and how one model stood then, or all of them together."""
        for look in self._looks:
            lines = look.lines.values() if model is None else [look.lines.get(model, Line())]
            yield look.at, total(lines)

    def pace(self, model: str) -> Pace:
        """How this model's predictions have moved lately."""
        if not self._looks:
            return Pace()
        last = self._looks[-1]
        first = next(look for look in self._looks if last.at - look.at <= RECENT)
        before, now = first.lines.get(model, Line()), last.lines.get(model, Line())
        span, ended = last.at - first.at, now.ended - before.ended
        if span <= 0 or ended < 0:  # the first look, or a store that has forgotten
            return Pace()
        came = max(0, sum(now.entered) - sum(before.entered))
        return Pace(came / span, ended / span, (now.seconds - before.seconds) / ended if ended else None)


def total(lines: Iterable[Line]) -> Line:
    """Several lines as one."""
    together = list(lines)
    if len(together) == 1:
        return together[0]
    return Line(
        entered=_sums([line.entered for line in together]),
        left=_sums([line.left for line in together]),
        quit=sum(line.quit for line in together),
        ended=sum(line.ended for line in together),
        seconds=sum(line.seconds for line in together),
    )


def _sums(counts: list[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*counts, strict=True))) or Line().entered


def _same(former: Line | None, line: Line) -> Line:
    return former if former == line else line
