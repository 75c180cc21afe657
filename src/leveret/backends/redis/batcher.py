"""Group commit: the calls of one tick of the event loop travel together.

redis-py costs 103 µs of CPU for an awaited call of its own, and a twentieth of that in a pipeline. So a call only
stands in line; one task takes whatever stands there, sends it in one write and hands out the answers. What comes
meanwhile is the next group. When the connection breaks, what has no answer yet is sent again on the next one:
every script can bear that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from redis.exceptions import NoScriptError, ResponseError

from leveret.backends.redis.connection import ANSWER_TIMEOUT, LOST, Command, Connection, Connector, Reply, pack, pause
from leveret.backends.redis.scripts import Script
from leveret.core.meters import SILENT, Meter
from leveret.errors import StoreUnavailable

LINE_LIMIT: Final = 20_000
"""How many calls may stand in line before further ones are refused."""

GROUP_LIMIT: Final = 512
"""About how many commands travel together."""

GROUP_BYTES: Final = 4 * 1024 * 1024
"""About how many bytes travel together."""

_log = structlog.get_logger()


class Batcher:
    """1. `send` stands commands in line, 2. `run` sends the line as one group and reads the answers, 3. a script that
    the server does not know is loaded and called again, 4. after a broken connection the group is sent again until
    a call's `patience` is over.
    """

    def __init__(
        self, connector: Connector, *, scripts: Sequence[Script], patience: float, meter: Meter = SILENT
    ) -> None:
        self._connector = connector
        self._loading = [pack(("SCRIPT", "LOAD", script.source)) for script in scripts]
        self._patience = patience
        self._meter = meter
        self._line: deque[_Call] = deque()
        self._wanted = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def send(self, commands: Sequence[Command]) -> asyncio.Future[list[Reply]]:
        """The answers to these commands, to be awaited: StoreUnavailable if one has failed, or none has come in time.

        Raises StoreUnavailable at once when too many calls wait already.
        """
        if self._closed:
            raise StoreUnavailable(reason="it has been closed")
        if len(self._line) >= LINE_LIMIT:
            raise StoreUnavailable(reason=f"{LINE_LIMIT} calls wait for it already")
        call = _Call(
            [pack(command) for command in commands], self._loop.create_future(), self._loop.time() + self._patience
        )
        self._line.append(call)
        self._wanted.set()
        return call.future

    async def run(self) -> None:
        """Serve the line for ever, over one connection after the other."""
        failures = 0
        try:
            while True:
                try:
                    async with self._connector.connect() as connection:
                        await self._load_scripts(connection)
                        if failures:
                            _log.info("the store answers again")
                        failures = 0
                        self._meter.connected("store")
                        await self._serve(connection)
                except LOST as error:
                    if failures == 0:
                        _log.warning("the store does not answer", reason=str(error))
                    self._give_up(str(error))
                    await asyncio.sleep(pause(failures))
                    failures += 1
        finally:
            self._closed = True
            self._fail(self._line, "it has been closed")

    async def _serve(self, connection: Connection) -> None:
        while True:
            self._wanted.clear()
            if not self._line:
                await self._wanted.wait()
            group = self._next_group()
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await self._exchange(connection, group)
            finally:
                self._line.extendleft(call for call in reversed(group) if not call.future.done())

    def _next_group(self) -> list[_Call]:
        """The front of the line, without those who have gone away."""
        group: list[_Call] = []
        count = size = 0
        while self._line and count < GROUP_LIMIT and size < GROUP_BYTES:
            call = self._line.popleft()
            if not call.future.done():
                group.append(call)
                count += len(call.packed)
                size += sum(map(len, call.packed))
        return group

    async def _exchange(self, connection: Connection, group: Sequence[_Call]) -> None:
        """Answer the calls of the group; those who met an unknown script stay without an answer."""
        await connection.send([command for call in group for command in call.packed])
        unknown = False
        for call in group:
            answers = [await connection.read() for _ in call.packed]
            if any(isinstance(answer, NoScriptError) for answer in answers):
                unknown = True
            else:
                call.answer(answers)
        if unknown:
            await self._load_scripts(connection)

    async def _load_scripts(self, connection: Connection) -> None:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await connection.send(self._loading)
            for _ in self._loading:
                answer = await connection.read()
                if isinstance(answer, ResponseError):
                    raise OSError(f"it does not load our scripts: {answer}") from answer

    def _give_up(self, reason: str) -> None:
        """Fail those whose patience is over; they leave the line, as do those who have gone away."""
        now = self._loop.time()
        self._fail([call for call in self._line if call.deadline <= now], reason)
        self._line = deque(call for call in self._line if not call.future.done())

    def _fail(self, calls: Iterable[_Call], reason: str) -> None:
        for call in calls:
            if not call.future.done():
                call.future.set_exception(StoreUnavailable(reason=reason))


class _Call:
    """Commands of one caller and the future that the caller awaits."""

    __slots__ = ("deadline", "future", "packed")

    def __init__(self, packed: Sequence[bytes], future: asyncio.Future[list[Reply]], deadline: float) -> None:
        self.packed = packed
        self.future = future
        self.deadline = deadline

    def answer(self, answers: Sequence[Reply | ResponseError]) -> None:
        """Hand out the answers, or the first error among them."""
        if self.future.done():
            return
        replies: list[Reply] = []
        for answer in answers:
            if isinstance(answer, ResponseError):
                error = StoreUnavailable(reason=str(answer))
                error.__cause__ = answer
                self.future.set_exception(error)
                return
            replies.append(answer)
        self.future.set_result(replies)
