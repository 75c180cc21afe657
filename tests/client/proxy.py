"""A proxy in front of a gateway that cuts connections where it is told to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Passes everything on, and listens."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        """The beginning of each request, as it came."""
        self.answers: list[bytes] = []
        """Each piece of an answer, as it came."""
        self.unanswered = 0
        """How many requests reach the gateway, while their answer never reaches the client."""
        self.unheard = 0
        """How many connections are closed before the gateway hears of them."""
        self.unheard_behind_cut = 0
        """How many connections are closed in the same way behind the next cut."""
        self.cuts: deque[bytes] = deque()
        """Behind each of these, in turn, the connection that carries it to the client is cut."""
        self._target = address
        self._writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection(*self._target)
        mine = {writer, downstream}
        self._writers |= mine
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask(reader, downstream))
                tasks.create_task(self._answer(upstream, writer))
        except* OSError:
            pass  # one side has gone, so the other one goes
        finally:
            for one in mine:
                one.transport.abort()
            self._writers -= mine

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.requests.append(data)
            if self.unheard:
                self.unheard -= 1
                break
            writer.write(data)
        raise ConnectionResetError

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = b""
        while data := await reader.read(65536):
            if self.unanswered:
                self.unanswered -= 1
                break
            self.answers.append(data)
            passed += data
            if self.cuts and (place := passed.find(self.cuts[0])) >= 0:
                until = place + len(self.cuts.popleft()) - (len(passed) - len(data))
                self.unheard, self.unheard_behind_cut = self.unheard + self.unheard_behind_cut, 0
                writer.write(data[:until])
                await writer.drain()
                writer.close()  # not aborted: what was passed on arrives
                break
            writer.write(data)
        raise ConnectionResetError
