"""A connection: one client's socket, from its opening to its end."""

from __future__ import annotations

import asyncio
from contextlib import closing
from functools import partial
from typing import Final

from msgspec import Struct
from starlette.websockets import WebSocket

from leveret.core.ports import Predictions
from leveret.errors import InvalidRequest, LeveretError
from leveret.gateway.auth import Keyring
from leveret.gateway.files.links import Links
from leveret.gateway.identity import Identify
from leveret.gateway.socket import messages
from leveret.gateway.socket.operations import Operations
from leveret.gateway.socket.watches import Watches
from leveret.gateway.socket.writer import Writer
from leveret.gateway.views import Views
from leveret.gateway.waits import Waits

MOST_OPERATIONS: Final = 100
"""How many submits and cancels of one connection are under way at once; then one has to be answered first."""

RESTARTING: Final = 1012
"""The close code that asks a client to come back."""


class Sockets(Struct, frozen=True, kw_only=True):
    """The endpoint /v1/socket."""

    operations: Operations
    keyring: Keyring
    store: Predictions
    views: Views
    links: Links
    waits: Waits
    max_watches: int

    async def open(self, websocket: WebSocket) -> None:
        """Serve one client until it has gone or the gateway closes.

        When it goes, its watches end, and what it has asked for is done all the same. When the gateway closes, what
        was asked for is answered first.
        """
        await websocket.accept()
        async with (
            asyncio.TaskGroup() as doing,
            self.waits.until_closed() as leave,
            asyncio.TaskGroup() as watching,
        ):
            writer = Writer(websocket, lost=leave)
            base, identify = self.views.base(websocket), partial(self.keyring.whose, websocket)
            watches = Watches(
                store=self.store,
                writer=writer,
                group=watching,
                limit=self.max_watches,
                links=self.links,
                base=base,
                identify=identify,
            )
            connection = Connection(
                writer=writer,
                watches=watches,
                operations=self.operations,
                doing=doing,
                base=base,
                identify=identify,
            )
            with closing(watches):
                await connection.listen(websocket)
        await writer.close(RESTARTING)


class Connection:
    """Reads operation after operation. Submits and cancels are done beside each other, watches begin in their order."""

    def __init__(
        self,
        *,
        writer: Writer,
        watches: Watches,
        operations: Operations,
        doing: asyncio.TaskGroup,
        base: str,
        identify: Identify,
    ) -> None:
        self._writer = writer
        self._watches = watches
        self._operations = operations
        self._doing = doing
        self._base = base
        self._identify = identify
        self._room = asyncio.Semaphore(MOST_OPERATIONS)

    async def listen(self, websocket: WebSocket) -> None:
        """Begin what each message asks for, until the client has gone."""
        while (received := await websocket.receive())["type"] != "websocket.disconnect":
            text = received.get("text")
            if text is None:
                error = InvalidRequest(reason="a message is JSON in a text frame; this frame is binary")
                await self._writer.send(messages.refused(error))
            else:
                await self._begin(text)
        self._writer.lose()

    async def _begin(self, text: str) -> None:
        try:
            operation = messages.decode(text)
        except LeveretError as error:
            label = messages.label(text)
            await self._writer.send(messages.refused(error, ref=label.ref, id=label.id))
            return
        match operation:
            case messages.Watch():
                await self._watch(operation)
            case messages.Unwatch(id=prediction_id):
                self._watches.end(prediction_id)
            case messages.Submit() | messages.Cancel():
                await self._room.acquire()
                self._doing.create_task(self._do(operation))

    async def _watch(self, wanted: messages.Watch) -> None:
        try:
            with self._watches.room():
                self._watches.begin(wanted.id, after=wanted.after)
        except LeveretError as error:
            await self._writer.send(messages.refused(error, id=wanted.id))

    async def _do(self, operation: messages.Submit | messages.Cancel) -> None:
        try:
            await self._done(operation)
        except LeveretError as error:
            about = operation.id if isinstance(operation, messages.Cancel) else None
            await self._writer.send(messages.refused(error, ref=operation.ref, id=about))
        finally:
            self._room.release()

    async def _done(self, operation: messages.Submit | messages.Cancel) -> None:
        by = await self._identify()
        match operation:
            case messages.Cancel():
                await self._writer.send(await self._operations.cancel(operation, self._base, by))
            case messages.Submit(watch=True):
                with self._watches.room():
                    prediction_id, accepted = await self._operations.submit(operation, self._base, by)
                    await self._writer.send(accepted)
                    self._watches.begin(prediction_id)
            case messages.Submit():
                _, accepted = await self._operations.submit(operation, self._base, by)
                await self._writer.send(accepted)
