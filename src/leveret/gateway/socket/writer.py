"""The writer: sends one connection's messages, each when the one before has left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.types import Message as Frame
from starlette.websockets import WebSocket, WebSocketDisconnect

from leveret.gateway.socket import messages
from leveret.gateway.socket.messages import Message

PATIENCE: Final = 60.0
"""A client that takes no message for so long, in seconds, is taken for gone; it may come back and go on."""


class Writer:
    """Buffers nothing: who has a message waits for its turn, and whoever has waited longest is next.

    Once the client has gone, which `lost` is told of, messages go nowhere and nobody waits.
    """

    def __init__(self, websocket: WebSocket, *, lost: Callable[[], None]) -> None:
        self.gone = False
        self._websocket = websocket
        self._lost = lost
        self._turn = asyncio.Lock()

    async def send(self, message: Message) -> None:
        """Send it in its turn."""
        async with self._turn:
            if not self.gone:
                await self._write({"type": "websocket.send", "text": messages.encode(message)})

    async def close(self, code: int) -> None:
        """Close the connection, unless the client has gone."""
        if not self.gone:
            await self._write({"type": "websocket.close", "code": code, "reason": ""})

    def lose(self) -> None:
        """The client has gone."""
        self.gone = True
        self._lost()

    async def _write(self, frame: Frame) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._websocket.send(frame)
        except (WebSocketDisconnect, TimeoutError, RuntimeError):  # RuntimeError: the server has closed it already
            self.lose()
