"""A proxy in front of a Redis server that misbehaves as networks and servers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Proxy:
    """Passes everything on, unless it is told otherwise."""

    def __init__(self, url: str) -> None:
        self.url = ""
        self.connections = 0
        self.loading = False
        self.cut_before_answers = 0
        """How many times the connection is cut as soon as the server has answered, before the client hears of it."""
        target = urlsplit(url)
        self._target = (target.hostname, target.port)
        self._writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        try:
            yield self
        finally:
            server.close()
            self.cut()
            await server.wait_closed()

    async def connected(self) -> int:
        """How many connections there have been."""
        return self.connections

    def cut(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        upstream, downstream = await asyncio.open_connection(*self._target)
        mine = {writer, downstream}
        self._writers |= mine
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._requests(reader, writer, downstream))
                tasks.create_task(self._answers(upstream, writer))
        except* OSError:
            pass  # one side has gone, so the other one goes
        finally:
            for one in mine:
                one.transport.abort()
            self._writers -= mine

    async def _requests(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, on: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if self.loading:
                back.write(b"-LOADING Redis is loading the dataset in memory\r\n")
            else:
                on.write(data)
        raise ConnectionResetError

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.cut_before_answers and not data.startswith(b"+OK"):
                self.cut_before_answers -= 1
                break
            writer.write(data)
        raise ConnectionResetError
