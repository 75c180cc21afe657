"""The spool: a folder of this worker in which files are handed to its model processes and back, run by run.

It is held by a lock. A folder whose lock nobody holds is what a worker has left behind that was killed, and the next
one on this machine removes it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger

from leveret.core import spooled
from leveret.core.ports import Running
from leveret.errors import InvalidSetting

CHUNK: Final = 256 * 1024
"""How much is read in one go, in bytes."""

_PREFIX: Final = "leveret-spool-"
_LOCK: Final = "lock"

_log: FilteringBoundLogger = structlog.get_logger()


class Spool:
    """The folder, and those of the runs in it."""

    def __init__(self, parent: str) -> None:
        """Below `parent`, or the system's folder for temporary files; `held` makes it."""
        self.path = Path(parent or tempfile.gettempdir()).resolve() / f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
        self._prefix = f"{self.path}{os.sep}"

    @contextmanager
    def held(self) -> Iterator[None]:
        """The folder exists; at the end it is removed with everything in it. Raises InvalidSetting."""
        _remove_left(self.path.parent)
        # It gets its name once it is locked, so that nobody takes it for left behind.
        new = self.path.with_name(f".{self.path.name}")
        try:
            new.mkdir(mode=0o700, parents=True)
            lock = (new / _LOCK).open("wb")
        except OSError as error:
            reason = f"files cannot be put there: {error}"
            raise InvalidSetting(name="worker.spool_dir", source="the settings", reason=reason) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            new.rename(self.path)
            try:
                yield
            finally:
                shutil.rmtree(self.path, ignore_errors=True)

    def folder(self, run: Running) -> Path:
        """The folder of this run, which may not exist."""
        return self.path / spooled.folder(run.id, run.attempt)

    async def clear(self, run: Running) -> None:
        """The run is over: remove its files."""
        folder = f"{self._prefix}{spooled.folder(run.id, run.attempt)}"
        if _there(folder):
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _there(folder: str) -> bool:
    """Asked for every run, and most have none: a Path would take four times as long."""
    return os.path.isdir(folder)


async def write(place: Path, chunks: AsyncIterable[bytes]) -> None:
    """Write a new file, as it comes."""
    with await asyncio.to_thread(place.open, "xb") as file:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)


async def read(place: Path) -> AsyncGenerator[bytes, None]:
    """What is in the file."""
    with await asyncio.to_thread(place.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


def _remove_left(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError), (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            _log.info("removed what a worker has left behind", folder=str(folder))
