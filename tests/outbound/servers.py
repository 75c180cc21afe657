"""Servers that say what a test has them say."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from leveret.config import OutboundSettings

LOOPBACK = OutboundSettings(allow_http=True, allow="127.0.0.1/32")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver:
    """Answers every request alike and keeps what it was sent."""

    def __init__(self, answer: bytes, *, closes: bool = False) -> None:
        self.closes = closes
        self.connections = 0
        self.heads: list[str] = []
        self.port = 0
        self.answer = answer
        self._closing: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._closing.append(writer)
        try:
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                writer.write(self.answer)
                if self.closes:
                    writer.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def close(self) -> None:
        for writer in self._closing:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


@asynccontextmanager
async def receiving(
    answer: bytes = ANSWER, context: ssl.SSLContext | None = None, *, closes: bool = False
) -> AsyncIterator[Receiver]:
    """A server in this loop; with `closes`, it hangs up after its answer."""
    receiver = Receiver(answer, closes=closes)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver
        await receiver.close()
