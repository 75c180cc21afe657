"""Serving: a uvicorn server that is started and stopped with everything else in its process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class Server(uvicorn.Server):
    """A uvicorn server that leaves the signals to the command line and says when it serves."""

    def __init__(self, config: uvicorn.Config, *, closing: asyncio.Event) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()
        self._closing = closing

    def close(self) -> None:
        """End the requests that wait and the streams, then the server."""
        self._closing.set()
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn: here it captures none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        self.serving.set()
