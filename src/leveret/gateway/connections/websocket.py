"""The WebSocket: a connection as uvicorn serves it, with the bounds that uvicorn leaves open.

* A handshake that is none is answered, and the connection closed.
* A message has only so many fragments: many small ones, or empty ones, take far more memory than their bytes.
* Who does not read is sent no pongs: they would pile up as fast as the pings come.
* `Watch` ends the connections of those who stop in the middle of a message, or never read.
"""

from __future__ import annotations

from asyncio.transports import BaseTransport
from collections.abc import Sequence
from typing import ClassVar, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from leveret.gateway.connections.watch import Pace, Part, Watch, taken

MOST_FRAGMENTS: Final = 1000


class WebSocketConnection(WebSocketsSansIOProtocol):
    """One connection; a subclass says within which bounds."""

    watch: ClassVar[Watch]

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin."""
        self._messages = 0
        self._received = 0
        super().connection_made(transport)
        self.watch.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        self.watch.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what cannot become a socket is answered and closed."""
        self._received += len(data)
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        """A message is complete. One that is no text is no trouble of ours, and nothing for the log."""
        self._messages += 1
        if self.curr_msg_data_type == "text" and not _is_text(self.frames):
            self.frames = []
            self._fail(CloseCode.INVALID_DATA, "a text is not UTF-8")
        else:
            super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        """A further fragment."""
        if len(self.frames) < MOST_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self._fail(CloseCode.POLICY_VIOLATION, f"a message has more than {MOST_FRAGMENTS} fragments")

    def handle_ping(self) -> None:
        """Answer it, if the client reads: of several pings only the last one must be (RFC 6455, 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def pace(self) -> Pace:
        """See `watch.Connection`."""
        if self.transport.get_write_buffer_size():
            return Pace(Part.READING, 0, taken(self.transport))
        if self.transport.is_closing() or self.read_paused:
            return Pace(Part.NOTHING)
        if self.frames or self.conn.reader.buffer:
            return Pace(Part.BODY, self._messages, self._received)
        return Pace(Part.NOTHING)

    def expire(self, part: Part) -> None:
        """See `watch.Connection`."""
        if part is Part.READING or self.close_sent:
            self.transport.abort()
        else:
            self._fail(CloseCode.POLICY_VIOLATION, "the rest of a message did not come in time")

    def _fail(self, code: CloseCode, reason: str) -> None:
        self.conn.fail(code, reason)
        self.handle_parser_exception()


def _is_text(fragments: Sequence[bytes]) -> bool:
    if all(map(bytes.isascii, fragments)):
        return True
    try:
        b"".join(fragments).decode()
    except UnicodeDecodeError:
        return False
    return True
