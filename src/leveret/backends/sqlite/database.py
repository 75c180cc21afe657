"""The database: one SQLite file, owned by one process and written in groups.

1. Everything runs in the event loop's thread: a statement takes microseconds, handing it over takes longer.
2. What is asked for within one tick of the loop is one transaction, in the order asked.
3. An operation that fails is left out, and its neighbours are not harmed.
4. What shall survive a power cut is answered once the write-ahead log is on the disk: one sync for all that wait.
   The rest is answered at once, and survives the death of the process.
"""

from __future__ import annotations

import asyncio
import sqlite3
from asyncio import Future
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from leveret.backends.sqlite.disk import Disk, hold
from leveret.errors import StoreUnavailable

T = TypeVar("T")
Operation: TypeAlias = Callable[[Connection], T]
"""What to do with the connection. It may run more than once, and only what its last run has done counts."""

CHECKPOINT_AFTER: Final = 1.0
"""Seconds between a change and its copying from the log to the database; the log holds about this much."""


@asynccontextmanager
async def open_database(path: Path, *, checkpoint_after: float = CHECKPOINT_AFTER) -> AsyncIterator[Database]:
    """The database in this file, made if there is none. Raises DataFolderInUse, DataFolderTooNew, StoreUnavailable."""
    with hold(path) as disk:
        database = Database(disk)
        checkpoints = asyncio.create_task(database.keep_log_short(checkpoint_after))
        try:
            yield database
        finally:
            checkpoints.cancel()
            await asyncio.wait([checkpoints])
            await database.close()


class Database:
    """The connection of the only owner of a database."""

    def __init__(self, disk: Disk) -> None:
        self.open = True
        self._disk = disk
        self._connection = disk.connection
        self._loop = asyncio.get_running_loop()
        self._group: list[_Asked] = []
        self._paused = False
        self._changed = asyncio.Event()
        self._unsynced: list[_Asked] = []
        self._syncing: Future[None] | None = None

    def write(
        self, operation: Operation[T], *, durable: bool = False, then: Callable[[T], None] | None = None
    ) -> Future[T]:
        """Run it in this tick's transaction, even if the caller does not wait.

        `then` gets the result as soon as that is committed. Raises StoreUnavailable, or what the operation raises.
        """
        if not self.open:
            raise StoreUnavailable(reason="the database is closed")
        if not self._group:
            self._loop.call_soon(self._flush)
        answer: Future[T] = self._loop.create_future()
        self._group.append(_Request(operation, durable=durable, then=then, answer=answer))
        return answer

    def read(self, operation: Operation[T]) -> Future[T]:
        """Like `write`, for an operation that changes nothing."""
        return self.write(operation)

    def look(self, operation: Operation[T]) -> T:
        """Read at once what is committed."""
        try:
            return operation(self._connection)
        except sqlite3.Error as error:
            raise StoreUnavailable(reason=str(error)) from error

    async def keep_log_short(self, checkpoint_after: float) -> None:
        """Copy the log to the database `checkpoint_after` seconds after a change, so that it can begin anew."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(checkpoint_after)
            self._changed.clear()
            with suppress(sqlite3.Error):  # such as a full disk: it is tried again
                await self._disk.checkpoint()  # most of it, while writing goes on
                await self._checkpoint_alone()

    async def close(self) -> None:
        """Finish what was asked for."""
        self.open = False
        self._flush()
        while self._syncing is not None:
            await asyncio.wait([self._syncing])

    async def _checkpoint_alone(self) -> None:
        self._paused = True
        try:
            await self._disk.checkpoint()
        finally:
            self._paused = False
            self._flush()

    def _flush(self) -> None:
        if self._paused or not self._group:
            return
        group, self._group = self._group, []
        rest: Sequence[_Asked] = group
        try:
            while (spoiler := self._transact(rest)) is not None:
                rest = [asked for asked in rest if asked is not spoiler]
        except sqlite3.Error as error:
            self._connection.rollback()
            for asked in rest:
                asked.fail(error)
        for asked in group:
            asked.commit()
        self._unsynced += [asked for asked in group if asked.durable]
        self._answer([asked for asked in group if not asked.durable])
        self._sync_log()

    def _transact(self, group: Sequence[_Asked]) -> _Asked | None:
        """Do it all in one transaction; answers the one without which it must be done again."""
        connection = self._connection
        before = connection.total_changes
        connection.execute("BEGIN")
        for asked in group:
            changes = connection.total_changes
            if not asked.run(connection) and (connection.total_changes != changes or not connection.in_transaction):
                connection.rollback()
                return asked
        connection.execute("COMMIT")
        if connection.total_changes != before:
            self._changed.set()
        return None

    def _sync_log(self) -> None:
        if self._unsynced and self._syncing is None:
            group, self._unsynced = self._unsynced, []
            self._syncing = self._disk.sync()
            self._syncing.add_done_callback(partial(self._synced, group))

    def _synced(self, group: Sequence[_Asked], syncing: Future[None]) -> None:
        self._syncing = None
        if (error := syncing.exception()) is not None:
            for asked in group:
                asked.fail(error)
        self._answer(group)
        self._sync_log()

    def _answer(self, group: Sequence[_Asked]) -> None:
        for asked in group:
            asked.answer()


class _Asked(Protocol):
    """A request, whatever the type of its result."""

    @property
    def durable(self) -> bool: ...
    def run(self, connection: Connection) -> bool: ...
    def fail(self, error: BaseException) -> None: ...
    def commit(self) -> None: ...
    def answer(self) -> None: ...


class _Request(Generic[T]):
    """An operation that was asked for, and what came of it."""

    __slots__ = ("_answer", "_error", "_operation", "_result", "_then", "durable")
    _result: T

    def __init__(
        self, operation: Operation[T], *, durable: bool, then: Callable[[T], None] | None, answer: Future[T]
    ) -> None:
        self.durable = durable
        self._operation = operation
        self._then = then
        self._answer = answer
        self._error: BaseException | None = None

    def run(self, connection: Connection) -> bool:
        """Whether it went well."""
        try:
            self._result = self._operation(connection)
        except Exception as error:  # it is its caller's
            self.fail(error)
            return False
        self._error = None
        return True

    def fail(self, error: BaseException) -> None:
        if isinstance(error, sqlite3.Error | OSError):
            reason = f"the embedded database: {error}"
            self._error = StoreUnavailable(reason=reason)
            self._error.__cause__ = error
        else:
            self._error = error

    def commit(self) -> None:
        if self._error is None and self._then is not None:
            self._then(self._result)

    def answer(self) -> None:
        if self._answer.done():
            return  # whoever asked has been canceled
        if self._error is None:
            self._answer.set_result(self._result)
        else:
            self._answer.set_exception(self._error)
