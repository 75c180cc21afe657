"""The voices: which of the runs under way it is that writes, when several share the process."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, TypeAlias

from leveret.worker.child.reports import Reports
from leveret.worker.child.screen import Bar, Screen
from leveret.worker.frames import Item

Write: TypeAlias = Callable[[bytes], int]

_speaking: Final[ContextVar[Voice | None]] = ContextVar("leveret_speaking", default=None)


class Voice:
    """What one run writes, as its logs and its progress. For any thread."""

    def __init__(self, run: Item, reports: Reports) -> None:
        self._run = run
        self._reports = reports
        self._screen: Screen | None = None
        self._bar: Bar | None = None
        self._over = False
        # What is destroyed in the middle of a write may write, too.
        self._lock = threading.RLock()

    def write(self, data: bytes) -> bool:
        """Write this; False if the run is over."""
        with self._lock:
            if self._over:
                return False
            if self._screen is None:
                self._screen = Screen()
            text, bar = self._screen.feed(data), self._screen.bar
            news = bar if bar != self._bar else None
            self._bar = bar
        # Not under the lock: the reports have their own, under which something may be destroyed that writes.
        if text:
            self._reports.wrote(self._run.id, self._run.attempt, text)
        if news is not None:
            self._reports.progressed(self._run.id, self._run.attempt, news.fraction, news.message)
        return True

    def finish(self) -> None:
        """The run is over: what it was still writing is reported."""
        with self._lock:
            self._over = True
            rest = self._screen.finish() if self._screen is not None else ""
        if rest:
            self._reports.wrote(self._run.id, self._run.attempt, rest)


class Voices:
    """Tells the runs apart by their context variables, which tasks and `asyncio.to_thread` hand on.

    `start` has everything that Python writes to the standard streams come here first. The streams themselves stay in
    place, because logging handlers hold them; it is their buffers' `write` that is replaced. What nobody's context
    says, and what is written past Python, goes its usual way.
    """

    def __init__(self, reports: Reports) -> None:
        self._reports = reports

    def start(self) -> None:
        """Hear the standard streams."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(write_through=True)  # or the words of several would be mixed in its buffer
                stream.buffer.write = _heard(stream.buffer.write)

    def give(self, run: Item) -> Voice:
        """Whatever is written in the context of the caller, and in those that are made of it, is this run's."""
        voice = Voice(run, self._reports)
        _speaking.set(voice)
        return voice


def _heard(write: Write) -> Write:
    def heard(data: bytes) -> int:
        voice = _speaking.get()
        if voice is not None and voice.write(bytes(data)):
            return len(data)
        return write(data)

    return heard
