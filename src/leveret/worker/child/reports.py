"""The reports: what runs say while they go on, gathered so that a fast stream makes few frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Final, TypeAlias

from leveret.worker.frames import Chunks, FromChild, Progressed, Wrote

PERIOD: Final = 0.03
"""Seconds between two frames of a run: a reader sees no difference, and the store gets far fewer events."""

_MOST_HELD: Final = 256 * 1024
"""So much output and text is sent before its time, in bytes and characters."""

MOST_LOGS: Final = 256 * 1024
"""So much text goes to the logs of one run, in bytes of UTF-8."""

_Run: TypeAlias = tuple[str, int]


def sendable(text: str) -> str:
    """The text with a question mark for everything that UTF-8, and so a frame, cannot carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


class Reports:
    """Sends what runs say: the first word at once, later ones together, none later than `PERIOD`.

    A thread of its own keeps that promise when the model is slow to say the next one. `held_off` is entered whenever
    the model has something to say: whatever might interrupt it then has to wait.
    """

    def __init__(
        self, send: Callable[[Iterable[FromChild]], None], *, held_off: AbstractContextManager[None, None]
    ) -> None:
        self._send = send
        self._held_off = held_off
        self._progress: dict[_Run, Progressed] = {}
        self._texts: dict[_Run, list[str]] = {}
        self._chunks: dict[_Run, list[bytes]] = {}
        self._written: dict[_Run, int] = {}
        self._held = 0
        self._due = 0.0
        self._changed = threading.Condition()
        threading.Thread(target=self._keep_time, name="leveret-reports", daemon=True).start()

    def progressed(self, prediction_id: str, attempt: int, fraction: float, message: str) -> None:
        """The run is this far; only the last of several counts."""
        with self._held_off, self._changed:
            idle = not self._any()
            progressed = Progressed(prediction_id, attempt, fraction, sendable(message))
            self._progress[prediction_id, attempt] = progressed
            self._gathered(0, idle=idle)

    def wrote(self, prediction_id: str, attempt: int, text: str) -> None:
        """The run has written this to its logs, which are cut, and say so, at `MOST_LOGS`."""
        run, text = (prediction_id, attempt), sendable(text)
        with self._held_off, self._changed:
            written = self._written.get(run, 0)
            if written > MOST_LOGS:
                return
            self._written[run] = written + _size(text)
            if self._written[run] > MOST_LOGS:
                text = _cut(text, MOST_LOGS - written)
            idle = not self._any()
            self._texts.setdefault(run, []).append(text)
            self._gathered(len(text), idle=idle)

    def put_out(self, prediction_id: str, attempt: int, chunk: bytes) -> None:
        """The run has put out this chunk of its output."""
        with self._held_off, self._changed:
            idle = not self._any()
            self._chunks.setdefault((prediction_id, attempt), []).append(chunk)
            self._gathered(len(chunk), idle=idle)

    def finish(self) -> None:
        """Send what is held, before the frames that end the runs; what comes next is a first word again."""
        with self._changed:
            self._flush()
            self._due = 0.0

    def forget(self) -> None:
        """Nothing that has been reported so far is under way any more."""
        with self._changed:
            self._written.clear()

    def forget_run(self, prediction_id: str, attempt: int) -> None:
        """This run is not under way any more, though others may be."""
        with self._changed:
            self._written.pop((prediction_id, attempt), None)

    def _gathered(self, size: int, *, idle: bool) -> None:
        self._held += size
        if time.monotonic() >= self._due or self._held > _MOST_HELD:
            self._flush()
        elif idle:
            self._changed.notify()

    def _flush(self) -> None:
        if not self._any():
            return
        frames: list[FromChild] = [*self._progress.values()]
        frames += [Wrote(*run, "".join(texts)) for run, texts in self._texts.items()]
        frames += [Chunks(*run, chunks) for run, chunks in self._chunks.items()]
        for held in (self._progress, self._texts, self._chunks):
            held.clear()
        self._held = 0
        # Sent under the lock: the order is kept, and a worker that does not keep up slows the model down.
        self._send(frames)
        self._due = time.monotonic() + PERIOD

    def _any(self) -> bool:
        return bool(self._chunks or self._texts or self._progress)

    def _keep_time(self) -> None:
        with self._changed:
            while True:
                self._changed.wait_for(self._any)
                remaining = self._due - time.monotonic()
                if remaining > 0:
                    self._changed.wait(remaining)
                else:
                    self._flush()


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _cut(text: str, room: int) -> str:
    kept = text.encode()[:room].decode(errors="ignore")
    line_break = "" if kept.endswith("\n") or not kept else "\n"
    return f"{kept}{line_break}… logs cut at {MOST_LOGS} bytes …\n"
