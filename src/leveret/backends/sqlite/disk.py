"""The disk: a database's files, held by one process, and the slow calls on them, made in threads."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from asyncio import Future
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from importlib import resources
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from leveret.backends.sqlite.migration import migrate
from leveret.errors import DataFolderInUse, StoreUnavailable

_PRAGMAS: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;  -- a commit does not wait for the disk; those who must, do it themselves
PRAGMA wal_autocheckpoint = 0;  -- it would make the event loop wait for the disk
PRAGMA journal_size_limit = 67108864;
PRAGMA secure_delete = OFF;
PRAGMA cache_size = -16384;  -- in KiB
PRAGMA temp_store = MEMORY;
"""
_sync: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


@contextmanager
def hold(path: Path) -> Iterator[Disk]:
    """The database in this file, made if there is none, or brought up to date.

    Raises DataFolderInUse, DataFolderTooNew and StoreUnavailable.
    """
    with ExitStack() as stack:
        stack.enter_context(_locked(path))
        connection = stack.enter_context(_connected(path))
        _set_up(connection, path)
        copier = stack.enter_context(_connected(path))
        log = stack.enter_context(_opened(path.with_name(path.name + "-wal"), os.O_RDWR))
        os.fsync(stack.enter_context(_opened(path.parent, os.O_RDONLY)))  # the new files' names
        threads = stack.enter_context(ThreadPoolExecutor(2, "leveret-disk"))
        yield Disk(connection, copier=copier, log=log, threads=threads)


class Disk:
    """What the event loop needs of the database's files."""

    def __init__(self, connection: Connection, *, copier: Connection, log: int, threads: ThreadPoolExecutor) -> None:
        self.connection = connection
        self._copier = copier
        self._log = log
        self._threads = threads

    def sync(self) -> Future[None]:
        """Bring to the disk what is committed."""
        return asyncio.get_running_loop().run_in_executor(self._threads, _sync, self._log)

    def checkpoint(self) -> Future[None]:
        """Copy what is committed from the write-ahead log to the database; one at a time.

        The log begins anew if nothing is written meanwhile.
        """
        return asyncio.get_running_loop().run_in_executor(self._threads, _checkpoint, self._copier)


def _checkpoint(copier: Connection) -> None:
    copier.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with _opened(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataFolderInUse(path=str(path.parent)) from error
        yield


@contextmanager
def _connected(path: Path) -> Iterator[Connection]:
    with _ours(path):
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=256, check_same_thread=False)
    with closing(connection):
        with _ours(path):
            connection.executescript(_PRAGMAS)
        yield connection


def _set_up(connection: Connection, path: Path) -> None:
    schema = resources.files(__package__).joinpath("schema.sql").read_text()
    with _ours(path):
        migrate(connection, schema, path=path)
        connection.executescript(schema)


@contextmanager
def _ours(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreUnavailable(reason=f"{path}: {error}") from error


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
