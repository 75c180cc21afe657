"""HTTP: a connection as uvicorn serves it, with the bounds that uvicorn leaves open.

* The head of a request has a largest size, the address in it and the number of its headers, too.
* What stands between the bytes of a body, and trailers, is bounded alike; trailers are not taken for headers.
* Only so many requests are read ahead of the one that is answered.
* A request says once for which host it is, and codes its body in no way that nobody here reads.
* Whoever is refused is told why as everybody else is, and what came before is answered first.
* `Watch` ends the connections of those who stop in the middle.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from leveret.config import GatewaySettings
from leveret.errors import (
    BadRequest,
    HeadTooLarge,
    LeveretError,
    RequestTimeout,
    TooManyConnections,
    UnsupportedEncoding,
    UrlTooLong,
)
from leveret.gateway import problems
from leveret.gateway.connections.watch import Pace, Part, Watch, taken

LONGEST_URL: Final = 16 * 1024
"""The longest address in a request, in bytes; those of files, which say themselves where these are, have about 1000."""

MOST_HEADERS: Final = 100
MOST_AHEAD: Final = 32
"""How many requests of a client are read while an earlier one is being answered."""

_BETWEEN: Final = len(b": \r\n")


class HttpConnection(HttpToolsProtocol):
    """One connection; a subclass says within which bounds."""

    settings: ClassVar[GatewaySettings]
    watch: ClassVar[Watch]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # what a stream gets
        """Begin, unless there are as many as may be."""
        self._heads = 0
        self._received = 0
        self._idle = 0
        self._reading_head = False
        self._refusal: LeveretError | None = None
        super().connection_made(transport)
        if len(self.connections) > self.watch.most:
            self._end(TooManyConnections(limit=self.watch.most))
        self.watch.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is no more."""
        self.watch.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as that leads somewhere."""
        if self._refusal is not None:
            return
        self._received += len(data)
        self._idle += len(data)
        super().data_received(data)
        if self._idle > self.settings.max_head and self._refusal is None and not self.transport.is_closing():
            self._refuse(self._endless())

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to the socket's protocol, which is watched by itself."""
        self.watch.remove(self)
        super().handle_websocket_upgrade()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._idle = 0
        self._reading_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there: begin to answer, or let the request wait for its turn."""
        self._reading_head = False
        self._check_head()
        self.scope["headers"] = self.headers.copy()  # what else comes to the original are trailers, which nobody reads
        self._heads += 1
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._idle = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """What has come is no HTTP, or was refused by one of the checks above."""
        self._refuse(self._refusal or BadRequest(reason="it is not written as HTTP/1.1 is"))

    def pace(self) -> Pace:
        """See `watch.Connection`."""
        if self.transport.get_write_buffer_size():
            return Pace(Part.READING, self._heads, taken(self.transport))
        if self.transport.is_closing():
            return Pace(Part.NOTHING)
        if self.cycle is None or self.cycle.response_complete:
            idle = self.timeout_keep_alive_task is not None  # uvicorn ends it
            return Pace(Part.NOTHING if idle else Part.HEAD, self._heads)
        if self.cycle.more_body and not self.flow.read_paused:
            return Pace(Part.BODY, self._heads, self._received)
        return Pace(Part.NOTHING)

    def expire(self, part: Part) -> None:
        """See `watch.Connection`. Who has not begun a request is not told: they might take it for the next answer."""
        if part is Part.READING:
            self.transport.abort()
        elif part is Part.HEAD and not self._reading_head:
            self.transport.close()
        else:
            self._refuse(RequestTimeout(part=part.name.lower()))

    def _should_upgrade(self) -> bool:
        """Whether it becomes a socket; what is none by its method is answered as any other request."""
        return self.parser.get_method() == b"GET" and super()._should_upgrade()

    def _check_head(self) -> None:
        size, hosts = len(self.url), 0
        if size > LONGEST_URL:
            raise self._refused(UrlTooLong(limit=LONGEST_URL))
        for name, value in self.headers:
            size += len(name) + len(value) + _BETWEEN
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and value.lower() != b"chunked":
                raise self._refused(UnsupportedEncoding(encoding=value.decode("latin-1")))
        if size > self.settings.max_head or len(self.headers) > MOST_HEADERS:
            raise self._refused(HeadTooLarge(limit=self.settings.max_head))
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise self._refused(BadRequest(reason="it must have the header Host, once"))
        if len(self.pipeline) >= MOST_AHEAD:
            raise self._refused(BadRequest(reason=f"more than {MOST_AHEAD} requests are sent ahead of their answers"))

    def _endless(self) -> LeveretError:
        """What is said of so much without an end."""
        if self._reading_head and len(self.url) > LONGEST_URL:
            return UrlTooLong(limit=LONGEST_URL)
        return HeadTooLarge(limit=self.settings.max_head)

    def _refused(self, error: LeveretError) -> LeveretError:
        """The error, for the parser to stop at; `send_400_response` tells of it."""
        self._refusal = error
        return error

    def _refuse(self, error: LeveretError) -> None:
        """Read no more, and answer the error, or first what was asked before."""
        self._refusal = error
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._end(error)
        elif not cycle.more_body:
            cycle.keep_alive = False  # so its answer is the last one
        elif self.pipeline or cycle.response_started:
            self.transport.close()
        else:
            self._end(error)

    def _end(self, error: LeveretError) -> None:
        response = problems.answer(error)
        lines = [f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}".encode()]
        headers = [*self.server_state.default_headers, *response.raw_headers, (b"connection", b"close")]
        lines += [name + b": " + value for name, value in headers]
        self._refusal = error
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()
