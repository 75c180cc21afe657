"""A receiver of webhooks on loopback: answers as it is told and keeps what it was sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec
from msgspec import Struct

PATIENCE: Final = 60.0
"""How long a test waits for what must happen, in seconds."""


class Prediction(Struct, frozen=True):
    """As much of the body as the tests look at."""

    id: str
    status: str
    output: object
    logs: str
    attempt: int
    urls: dict[str, str]


class Received(Struct, frozen=True):
    """A request; `at` is by the monotonic clock."""

    at: float
    head: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def prediction(self) -> Prediction:
        return msgspec.json.decode(self.body, type=Prediction)


class Receiver:
    """Answers with `answers` in their turn, the last for ever; each is a status and headers, or None: none at all."""

    def __init__(self, answers: Sequence[str | None]) -> None:
        self.port = 0
        self.received: list[Received] = []
        self._answers = list(answers)
        self._changed = asyncio.Condition()
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def states(self) -> list[str]:
        return [one.prediction.status for one in self.received]

    async def wait(self, count: int) -> Sequence[Received]:
        """What was received, as soon as it is so many requests."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def wait_for(self, status: str) -> Received:
        """The first request that shows this status."""
        return await self.wait_until(lambda one: one.prediction.status == status)

    async def wait_until(self, wanted: Callable[[Received], bool]) -> Received:
        """The first such request."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: any(map(wanted, self.received)))
        return next(filter(wanted, self.received))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                at = time.monotonic()
                first, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                async with self._changed:
                    self.received.append(Received(at, first, headers, body))
                    self._changed.notify_all()
                if answer is not None:
                    writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def receiving(*answers: str | None, port: int = 0) -> AsyncIterator[Receiver]:
    """A receiver that answers these, and without any always `204 No Content`."""
    receiver = Receiver(answers or ["204 No Content"])
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver
        await receiver.close()
