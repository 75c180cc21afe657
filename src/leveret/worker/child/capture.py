"""The capture: what a model writes to stdout and stderr, from Python or from C, becomes the logs of what runs."""

from __future__ import annotations

import ctypes
import fcntl
import io
import os
import select
import sys
import termios
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Final

from leveret.worker.child.descriptors import ERR, OUT, lifted
from leveret.worker.child.reports import Reports
from leveret.worker.child.screen import Bar, Screen
from leveret.worker.frames import Item

_PIPE: Final = 1024 * 1024
"""The room in the pipe, in bytes: as much as Linux grants anyone. C code that holds the interpreter's lock while it
writes more than this waits for ever, because the thread that reads needs the lock too."""

_READ: Final = 64 * 1024
_NONE: Final = bytes(4)
"""The C integer 0."""

_BY_LINE: Final = 1
"""_IOLBF, from glibc's and the BSDs' stdio.h."""


class Capture:
    """Stands between the standard streams and the reports.

    1. `start` replaces the file descriptors 1 and 2 by a pipe; so what is written by C code or by a program that the
       model starts is seen too.
    2. Between `begin` and `end` what comes through the pipe goes to the logs of these runs, and how far a progress
       bar is becomes their progress; at any other time it goes to the file descriptor `stderr`.
    3. Whoever reads the pipe holds the lock until what was read is handed on. So an `end` that finds the pipe empty
       knows that everything written before is on its way, and a run that writes nothing costs a single system call.
    4. `stop` gives the standard streams to `stderr`.

    `held_off` is entered when the model itself calls: an interrupt has to wait then.
    """

    def __init__(self, reports: Reports, *, stderr: int, held_off: AbstractContextManager[None, None]) -> None:
        self._reports = reports
        self._held_off = held_off
        self._stderr = stderr
        self._reading, self._writing = map(lifted, os.pipe())
        self._runs: Sequence[Item] = ()
        self._screen = Screen()
        self._bar: Bar | None = None
        self._lock = threading.Lock()
        self._size = bytearray(_NONE)
        self._flush_c = _c_stdout()

    def start(self) -> None:
        """Take the standard streams."""
        with suppress(AttributeError, OSError):  # no Linux, or no room left for this user's pipes
            fcntl.fcntl(self._writing, fcntl.F_SETPIPE_SZ, _PIPE)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                # By the line, or the order between the two would be lost; and no text may be unprintable.
                stream.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)
        self._redirect(self._writing)
        threading.Thread(target=self._read, name="leveret-capture", daemon=True).start()

    def stop(self) -> None:
        """Give the standard streams back."""
        self._redirect(self._stderr)
        self._drain()

    def begin(self, runs: Sequence[Item]) -> None:
        """What is written from now on belongs to each of these runs."""
        self._runs = runs

    def end(self, *, left: Sequence[Item] = ()) -> None:
        """What was written up to here is reported; what comes belongs to those that are left."""
        self._flush()
        with self._lock:
            self._take()
            if self._screen.used:
                self._report(self._screen.finish())
                self._bar = None
            self._runs = left

    def wrote(self, prediction_id: str, attempt: int, text: str) -> None:
        """A run's own words for its logs: they come behind what was written before them."""
        with self._held_off:
            self._drain()
            self._reports.wrote(prediction_id, attempt, text)

    def progressed(self, prediction_id: str, attempt: int, fraction: float, message: str) -> None:
        """A run is this far."""
        self._reports.progressed(prediction_id, attempt, fraction, message)

    def _redirect(self, descriptor: int) -> None:
        self._flush()
        os.dup2(descriptor, OUT)
        os.dup2(descriptor, ERR)

    def _drain(self) -> None:
        self._flush()
        with self._lock:
            self._take()

    def _flush(self) -> None:
        """Empty the buffers of Python and C. Never under the lock: this may have to wait for the reader."""
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:  # noqa: S112  # the user may have put anything in its place
                continue
        self._flush_c()

    def _read(self) -> None:
        readable = select.poll()
        readable.register(self._reading, select.POLLIN)
        while True:
            readable.poll()
            with self._lock:
                self._take()

    def _take(self) -> None:
        """Hand on what is in the pipe now, but not what comes meanwhile: that may never end."""
        fcntl.ioctl(self._reading, termios.FIONREAD, self._size)
        if self._size == _NONE:
            return
        left = int.from_bytes(self._size, sys.byteorder)
        while left > 0:
            data = os.read(self._reading, min(left, _READ))
            left -= len(data)
            if self._runs:
                self._report(self._screen.feed(data))
                self._show(self._screen.bar)
            else:
                self._pass_on(data)

    def _report(self, text: str) -> None:
        if text:
            for run in self._runs:
                self._reports.wrote(run.id, run.attempt, text)

    def _show(self, bar: Bar | None) -> None:
        if bar is None or bar == self._bar:
            return
        self._bar = bar
        for run in self._runs:
            self._reports.progressed(run.id, run.attempt, bar.fraction, bar.message)

    def _pass_on(self, data: bytes) -> None:
        with suppress(OSError):  # there may be nobody who reads it
            while data:
                data = data[os.write(self._stderr, data) :]


def _c_stdout() -> Callable[[], object]:
    """What flushes C's stdout, which from now on is written by the line."""
    name = "__stdoutp" if sys.platform == "darwin" else "stdout"
    library = ctypes.CDLL(None)
    try:
        stdout = ctypes.c_void_p.in_dll(library, name)
    except ValueError:
        return lambda: None
    library.setvbuf(stdout, None, _BY_LINE, 0)
    flush = library.fflush
    return lambda: flush(stdout)
