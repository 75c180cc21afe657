"""Connections to a gateway: HTTP/1.1 with the parser that uvicorn has, kept open from one request to the next.

A request with one small call takes 61 µs of CPU; with httpx2 it took 944 (docs/adr/0017).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser
from msgspec import Struct

from leveret import tls
from leveret.core import retry
from leveret.errors import InvalidSetting

LOST: Final = (OSError, HttpParserError, EOFError)
"""Errors after which another connection may do better. A certificate that is not believed is one of them."""

ANSWER_TIMEOUT: Final = 15.0
"""Seconds without a sign of life after which a connection counts as lost."""

_CONNECT_TIMEOUT: Final = 5.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_CHUNK: Final = 256 * 1024
_PRINTABLE: Final = range(0x21, 0x7F)


class Address(Struct, frozen=True):
    """Where the gateway is; `path` is what stands in front of every path of its own."""

    host: str
    port: int
    secure: bool
    path: str

    @classmethod
    def of(cls, url: str) -> Address:
        """The address in the URL. Raises InvalidSetting."""
        try:
            parts = urlsplit(url)
            port, _ = parts.port, (parts.hostname or "").encode("idna")
        except ValueError as error:
            raise InvalidSetting(name="store_url", source="the settings", reason=str(error)) from error
        if parts.username is not None or parts.password is not None:
            reason = "what is in a URL is shown in too many places: give the key as LEVERET_STORE_TOKEN"
            raise InvalidSetting(name="store_url", source="the settings", reason=reason)
        if not parts.hostname or parts.query or parts.fragment or not _plain(parts.path):
            reason = "the address of a gateway is like https://gateway.example or http://127.0.0.1:8000"
            raise InvalidSetting(name="store_url", source="the settings", reason=reason)
        secure = parts.scheme == "https"
        return cls(parts.hostname, port or (443 if secure else 80), secure, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """As it stands in the header `Host`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Response:
    """The response to a request, as far as it has come."""

    def __init__(self) -> None:
        self.status = 0
        self.complete = False
        self._parser = HttpResponseParser(self)
        self._body: list[bytes] = []

    @property
    def lasts(self) -> bool:
        """Whether the connection can be used again."""
        return self.complete and self._parser.should_keep_alive()

    def feed(self, data: bytes) -> None:
        """Take what has come. Raises HttpParserError."""
        self._parser.feed_data(data)

    def taken(self) -> bytes:
        """What has come of the body since this was last asked."""
        body, self._body = b"".join(self._body), []
        return body

    def on_headers_complete(self) -> None:
        """See httptools."""
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """See httptools."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """See httptools."""
        self.complete = True


class Connection:
    """One request after the other. Everything here raises one of LOST."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, lines: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._lines = lines
        self._lasts = True

    @property
    def usable(self) -> bool:
        """Whether another request can be sent: servers close connections that are idle."""
        return self._lasts and not self._reader.at_eof() and not self._writer.is_closing()

    async def exchange(self, method: str, path: str, body: bytes = b"") -> Response:
        """The whole response to a request with this body, which it still has."""
        self._lasts = False
        self._writer.write(self._head(method, path, f"Content-Length: {len(body)}") + body)
        response = Response()
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await self._writer.drain()
            await self._whole(response)
        self._lasts = response.lasts
        return response

    async def upload(self, path: str, stream: AsyncIterable[bytes]) -> Response:
        """The whole response to a PUT of the stream, which is not read to its end if that comes early."""
        self._lasts = False
        self._writer.write(self._head("PUT", path, "Transfer-Encoding: chunked"))
        response = Response()
        answering = asyncio.ensure_future(self._whole(response))
        try:
            complete = await self._send(stream, answering)
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await answering
        finally:
            answering.cancel()
            await asyncio.wait([answering])
        self._lasts = complete and response.lasts
        return response

    @asynccontextmanager
    async def download(self, path: str) -> AsyncIterator[tuple[int, AsyncGenerator[bytes, None]]]:
        """The status of the response to a GET once it has begun, and its body as it comes."""
        self._lasts = False
        self._writer.write(self._head("GET", path, "Content-Length: 0"))
        response = Response()
        while not response.status:
            await self._patiently(response)
        yield response.status, self._chunks(response)
        self._lasts = response.lasts

    async def _send(self, stream: AsyncIterable[bytes], answering: asyncio.Future[None]) -> bool:
        """Send the stream piece by piece; whether all of it was sent before the answer came."""
        async for chunk in stream:
            for begin in range(0, len(chunk), _CHUNK):
                if answering.done():
                    return False
                piece = chunk[begin : begin + _CHUNK]
                self._writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await self._writer.drain()
        self._writer.write(b"0\r\n\r\n")
        return True

    async def _chunks(self, response: Response) -> AsyncGenerator[bytes, None]:
        while True:
            if chunk := response.taken():
                yield chunk
            elif response.complete:
                return
            else:
                await self._patiently(response)

    async def _whole(self, response: Response) -> None:
        while not response.complete:
            await self._read(response)

    async def _patiently(self, response: Response) -> None:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await self._read(response)

    async def _read(self, response: Response) -> None:
        data = await self._reader.read(_CHUNK)
        if not data:
            raise EOFError("it has closed the connection")
        response.feed(data)

    def _head(self, method: str, path: str, length: str) -> bytes:
        return f"{method} {path} HTTP/1.1\r\n{length}\r\n".encode() + self._lines


class Connector:
    """Makes connections to one gateway, and keeps those for another use that are given back."""

    def __init__(self, url: str, *, key: str, files: tls.Files = tls.NO_STORE_FILES) -> None:
        """Raises InvalidSetting. The key is in nothing that is logged or raised."""
        if not key or not _plain(key):
            reason = "a worker at a gateway needs a key: `leveret keys create --scope worker:owner/name` makes one"
            raise InvalidSetting(name="store_token", source="the settings", reason=reason)
        self.address = Address.of(url)
        files.refuse_plain(url, scheme="https://")
        self._tls = tls.to_server(files) if self.address.secure else None
        self._lines = (
            f"Host: {self.address.authority}\r\nAuthorization: Bearer {key}\r\nUser-Agent: leveret-worker\r\n"
            "Content-Type: application/json\r\n\r\n"
        ).encode()
        self._idle: list[tuple[Connection, asyncio.StreamWriter]] = []

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A new connection, closed at the end. Raises one of LOST."""
        connection, writer = await self._open()
        try:
            yield connection
        finally:
            writer.transport.abort()

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[Connection]:
        """A connection, kept for the next one if it can be used again. Raises one of LOST."""
        connection, writer = self._pick() or await self._open()
        try:
            yield connection
        finally:
            if connection.usable:
                self._idle.append((connection, writer))
            else:
                writer.transport.abort()

    def close(self) -> None:
        """Close what is kept."""
        while self._idle:
            self._idle.pop()[1].transport.abort()

    def _pick(self) -> tuple[Connection, asyncio.StreamWriter] | None:
        while self._idle:
            connection, writer = self._idle.pop()
            if connection.usable:
                return connection, writer
            writer.transport.abort()
        return None

    async def _open(self) -> tuple[Connection, asyncio.StreamWriter]:
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            reader, writer = await asyncio.open_connection(
                self.address.host, self.address.port, ssl=self._tls, limit=_CHUNK
            )
        return Connection(reader, writer, lines=self._lines), writer


def _plain(text: str) -> bool:
    """Whether it can stand in the head of a request."""
    return all(ord(letter) in _PRINTABLE for letter in text)


def pause(failures: int) -> float:
    """How long to wait after so many failures in a row."""
    jitter = random.random()  # noqa: S311 - no secret
    return retry.pause(failures, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE, jitter=jitter)
