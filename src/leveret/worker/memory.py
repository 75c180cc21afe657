"""The memory: how much a model process and all that it has started take, and a look at it again and again."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger

PERIOD: Final = 0.5
"""Seconds between two looks."""

MEASURABLE: Final = sys.platform == "linux"
"""Only Linux tells it in files."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PSS: Final = "Pss:"

_log: FilteringBoundLogger = structlog.get_logger()


class Gauge:
    """Looks how much memory a process takes. As soon as that is more than `limit` bytes, `exceeded` is told, once."""

    def __init__(self, pid: int, *, exceeded: Callable[[int], None]) -> None:
        self._pid = pid
        self._limit = 0
        self._exceeded = exceeded
        self._timer: asyncio.TimerHandle | None = None
        self._running = False

    def limit(self, limit: int) -> None:
        """Look from now on with this limit; 0: with none."""
        self._limit = limit
        if limit and not MEASURABLE:
            _log.warning("max_memory is not enforced: this system does not tell how much a process takes")
        elif limit and not self._running:
            self._running = True
            self._wait()

    def stop(self) -> None:
        """Look no more."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PERIOD, self._look)

    def _look(self) -> None:
        looking = asyncio.get_running_loop().run_in_executor(None, used, self._pid, self._limit)
        looking.add_done_callback(self._seen)

    def _seen(self, looked: asyncio.Future[int]) -> None:
        if not self._running or looked.cancelled():
            return
        if 0 < self._limit < (size := looked.result()):
            self._running = False
            self._exceeded(size)
        else:
            self._wait()


def used(pid: int, limit: int) -> int:
    """The bytes that this process takes with its children and theirs.

    What is resident is told at once, but counts what several share for each of them. Only if that is more than the
    limit their true shares are asked for, which takes the kernel long for a large process.
    """
    tree = list(_tree(pid))
    resident = {one: _resident(one) for one in tree}
    total = sum(resident.values())
    return total if total <= limit else sum(_share(one, otherwise=resident[one]) for one in tree)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _read(file).split():
            yield from _tree(int(child))


def _resident(pid: int) -> int:
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * _PAGE if len(fields) > 1 else 0


def _share(pid: int, *, otherwise: int) -> int:
    """Each shared page counts as what it is divided by the number of those who share it."""
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith(_PSS):
            return int(line.split()[1]) * 1024
    return otherwise


def _read(file: Path) -> str:
    """What the file says; nothing if its process has ended or it may not be read."""
    with suppress(OSError):
        return file.read_text()
    return ""
