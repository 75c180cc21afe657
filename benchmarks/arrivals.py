"""Arrivals: visitors who come at random, whether the server keeps up or not, each with one request of its own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Final

import httptools
from msgspec import Struct

PATIENCE: Final = 60.0
"""How long the last visitor is waited for, in seconds."""


class Visit(Struct, frozen=True):
    """How a request was answered, and after how many seconds; 0: not at all."""

    status: int
    seconds: float


async def arrivals(port: int, request: bytes, *, rate: float, seconds: float, seed: int = 1) -> Sequence[Visit]:
    """What has become of the visitors that come at this rate, on connections that are used again."""
    loop, clock = asyncio.get_running_loop(), random.Random(seed)
    visits: list[Visit] = []
    free: list[_Line] = []
    visiting: set[asyncio.Task[None]] = set()

    async def visit() -> None:
        began = time.perf_counter()
        try:
            while free and free[-1].closed:  # by the server, which ends what is idle
                free.pop()
            line = free.pop() if free else (await loop.create_connection(_Line, "127.0.0.1", port))[1]
            status = await line.ask(request)
            free.append(line)
        except OSError:
            status = 0
        visits.append(Visit(status, time.perf_counter() - began))

    due, end = loop.time(), loop.time() + seconds
    while (due := due + clock.expovariate(rate)) < end:
        await asyncio.sleep(max(0.0, due - loop.time()))
        task = loop.create_task(visit())
        visiting.add(task)
        task.add_done_callback(visiting.discard)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*visiting)
    for line in free:
        line.close()
    return visits


async def in_turn(port: int, request: bytes, *, count: int, connections: int = 64) -> Sequence[int]:
    """The statuses of so many requests, one after the other on each of the connections."""
    statuses: list[int] = []

    async def visitor() -> None:
        _, line = await asyncio.get_running_loop().create_connection(_Line, "127.0.0.1", port)
        statuses.extend([await line.ask(request) for _ in range(count // connections)])
        line.close()

    await asyncio.gather(*[visitor() for _ in range(connections)])
    return statuses


class _Line(asyncio.Protocol):
    """One keep-alive connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._answer: asyncio.Future[int] | None = None

    async def ask(self, request: bytes) -> int:
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        return await self._answer

    @property
    def closed(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the connection was lost"))

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._parser.get_status_code())
