"""Group commit over HTTP: the calls of one tick of the event loop travel in one request.

A call only stands in line; whichever connection is free takes what stands there, sends it in one POST and hands out the
answers. What comes meanwhile is the next group. When the connection breaks, or the gateway is away, what has no answer
yet is sent again: every call can bear that. Calls arrive in their order only over a single connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

import structlog

from leveret import tls
from leveret.backends.gateway.connection import LOST, Connection, Connector, Response, pause
from leveret.backends.gateway.refusals import detail, known
from leveret.core import worker_api
from leveret.core.meters import SILENT, Meter
from leveret.core.worker_api import Answer, Call, Refused
from leveret.errors import BodyTooLarge, LeveretError, StoreUnavailable, Undecodable

LINE_LIMIT: Final = 20_000
"""How many calls may stand in line before further ones are refused."""

GROUP_BYTES: Final = 4 * 1024 * 1024
"""About how many bytes travel together."""

_log = structlog.get_logger()


class Batcher:
    """1. `send` stands a call in line, 2. `run` sends the line as one request and hands out the answers, 3. after a
    broken connection the group is sent again until a call's `patience` is over.
    """

    def __init__(self, connector: Connector, *, connections: int, patience: float, meter: Meter = SILENT) -> None:
        self._connector = connector
        self._connections = connections
        self._path = connector.address.path + worker_api.CALLS
        self._patience = patience
        self._meter = meter
        self._line: deque[_Call] = deque()
        self._wanted = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._failures = 0
        self._closed = False

    def send(self, call: Call) -> asyncio.Future[Answer]:
        """The answer to the call, to be awaited: StoreUnavailable if none has come in time, or what it was refused for.

        Raises StoreUnavailable at once when too many calls wait already, and BodyTooLarge.
        """
        if self._closed:
            raise StoreUnavailable(reason="it has been closed")
        if len(self._line) >= LINE_LIMIT:
            raise StoreUnavailable(reason=f"{LINE_LIMIT} calls wait for it already")
        encoded = worker_api.encode_call(call)
        if len(encoded) > worker_api.LARGEST - 2:
            raise BodyTooLarge(limit=worker_api.LARGEST, setting="nothing: let the model put out less at a time")
        waiting = _Call(encoded, self._loop.create_future(), self._loop.time() + self._patience)
        self._line.append(waiting)
        self._wanted.set()
        return waiting.future

    async def run(self) -> None:
        """Serve the line for ever."""
        self._meter.connected("store")
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._connections):
                    group.create_task(self._keep())
        finally:
            self._closed = True
            self._fail(self._line, StoreUnavailable(reason="it has been closed"))

    async def _keep(self) -> None:
        """Serve over one connection after the other."""
        while True:
            try:
                await self._some()
                async with self._connector.connect() as connection:
                    while connection.usable:
                        await self._serve(connection)
                        await self._some()
            except LOST as error:
                self._lost(tls.explained(error, tls.STORE) or str(error) or type(error).__name__)
                await asyncio.sleep(pause(self._failures))

    async def _some(self) -> None:
        """Wait until somebody stands in line."""
        while not self._line:
            self._wanted.clear()
            await self._wanted.wait()

    async def _serve(self, connection: Connection) -> None:
        if not connection.usable:  # closed by the gateway while nobody had anything to say
            return
        group = self._next_group()
        try:
            if group:
                self._answer(group, await connection.exchange("POST", self._path, _body(group)))
        finally:
            self._line.extendleft(call for call in reversed(group) if not call.future.done())

    def _next_group(self) -> list[_Call]:
        """The front of the line, without those who have gone away."""
        group: list[_Call] = []
        size = 0
        while self._line and len(group) < worker_api.MOST and size < GROUP_BYTES:
            if group and size + len(self._line[0].encoded) > GROUP_BYTES:
                break
            call = self._line.popleft()
            if not call.future.done():
                group.append(call)
                size += len(call.encoded) + 1
        return group

    def _answer(self, group: Sequence[_Call], response: Response) -> None:
        """Hand out the answers. Raises ConnectionError where another try may do better."""
        body = response.taken()
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ConnectionError(detail(response.status, body))
        if response.status != HTTPStatus.OK:
            reason = detail(response.status, body)
            if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                reason = f"it does not take LEVERET_STORE_TOKEN: {reason}"
            self._fail(group, StoreUnavailable(reason=reason))
            return
        try:
            answers = worker_api.decode_answers(body)
        except Undecodable as error:
            raise ConnectionError(str(error)) from error
        if len(answers) != len(group):
            raise ConnectionError(f"{len(answers)} answers to {len(group)} calls")
        for call, answer in zip(group, answers, strict=True):
            call.answer(answer)
        self._found()

    def _found(self) -> None:
        if self._failures > 1:
            _log.info("the gateway answers again")
        if self._failures:
            self._meter.connected("store")
            self._failures = 0

    def _lost(self, reason: str) -> None:
        """Once may be nothing more than a connection that was closed while idle."""
        self._failures += 1
        if self._failures == 2:
            _log.warning("the gateway does not answer", reason=reason)
        now = self._loop.time()
        self._fail([call for call in self._line if call.deadline <= now], StoreUnavailable(reason=reason))
        self._line = deque(call for call in self._line if not call.future.done())

    def _fail(self, calls: Iterable[_Call], error: LeveretError) -> None:
        for call in calls:
            if not call.future.done():
                call.future.set_exception(type(error)(**error.data))


class _Call:
    """A call as it is sent, and the future that its caller awaits."""

    __slots__ = ("deadline", "encoded", "future")

    def __init__(self, encoded: bytes, future: asyncio.Future[Answer], deadline: float) -> None:
        self.encoded = encoded
        self.future = future
        self.deadline = deadline

    def answer(self, answer: Answer) -> None:
        """Hand out the answer, or the error that it is."""
        if self.future.done():
            return
        if isinstance(answer, Refused):
            self.future.set_exception(known(answer))
        else:
            self.future.set_result(answer)


def _body(group: Sequence[_Call]) -> bytes:
    return worker_api.join([call.encoded for call in group])
