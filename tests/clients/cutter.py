"""A proxy in front of a server that cuts connections when it is told to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Cutter:
    """Passes everything on; `cut` cuts what is open, towards the server first."""

    def __init__(self, address: str) -> None:
        target = urlsplit(address)
        self._target = (target.hostname, target.port)
        self._loop = asyncio.new_event_loop()
        self._open: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._pipes: set[asyncio.Task[None]] = set()
        self._requests = 0
        self.address = ""

    @contextmanager
    def serving(self) -> Iterator[Cutter]:
        """Serve in a thread."""
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._close(server), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def cut(self) -> int:
        """Cut every connection; answers how many there were."""
        return asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    def requests(self) -> int:
        """How many of the open connections have passed on a request."""
        return self._requests

    async def _listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        await self._cut()
        if self._pipes:
            await asyncio.wait(self._pipes)

    async def _cut(self) -> int:
        cut, self._open, self._requests = self._open, [], 0
        for client, upstream in cut:
            upstream.transport.abort()
            client.transport.abort()
        return len(cut)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        answers, upstream = await asyncio.open_connection(*self._target)
        self._open.append((client, upstream))
        for source, target in ((reader, upstream), (answers, client)):
            task = asyncio.create_task(self._pipe(source, target))
            self._pipes.add(task)
            task.add_done_callback(self._pipes.discard)

    async def _pipe(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                target.write(data)
                self._requests += b" HTTP/1.1" in data
        except OSError:
            pass  # it was cut
        finally:
            target.close()
