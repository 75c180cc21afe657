"""A connection to RabbitMQ that can be awaited: pika's callbacks turned into futures."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import pika
from pika import amqp_object, spec
from pika import channel as pika_channel
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.exceptions import AMQPConnectionError, ConnectionOpenAborted
from pika.frame import Method

from leveret import tls
from leveret.errors import InvalidSetting

HEARTBEAT: Final = 10
"""Seconds; below five a busy peer is taken for a dead one."""

CLOSE_TIMEOUT: Final = 2.0
"""Seconds for a polite goodbye; a broker that blocks publishers never answers one."""

Reply = TypeVar("Reply", bound=amqp_object.Method)
T = TypeVar("T")
E = TypeVar("E")


_TLS: Final = "amqps://"


def hosts(urls: str, files: tls.Files = tls.NO_BROKER_FILES) -> list[pika.URLParameters]:
    """How to reach each of the comma separated URLs, in random order. Raises InvalidSetting."""
    listed = [url.strip() for url in urls.split(",") if url.strip()]
    for url in listed:
        files.refuse_plain(url, scheme=_TLS)
    context = tls.to_server(files) if any(url.startswith(_TLS) for url in listed) else None
    try:
        found = [_parameters(url, context) for url in listed]
    except ValueError as error:
        raise InvalidSetting(name="broker_url", source="the settings", reason=tls.unread(urls, error)) from error
    if not found:
        raise InvalidSetting(name="broker_url", source="the settings", reason="there is no amqp:// URL in it")
    return random.sample(found, len(found))


class Connection:
    """A live connection. `blocked` says why the broker takes no messages from it now; empty if it does."""

    def __init__(self, raw: _CoalescingConnection, closed: asyncio.Future[BaseException]) -> None:
        self.blocked = ""
        self._closed = closed
        self._raw = raw
        raw.add_on_connection_blocked_callback(self._on_blocked)
        raw.add_on_connection_unblocked_callback(self._on_unblocked)

    @property
    def version(self) -> str:
        """The broker's, as it says itself; empty if it does not."""
        found = (self._raw.server_properties or {}).get("version", "")
        return found.decode() if isinstance(found, bytes) else str(found)

    async def lost(self) -> BaseException:
        """Why it is over, once it is."""
        await asyncio.wait([self._closed])
        return self._closed.result()

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[Channel]:
        """A channel for as long as the body needs it. Raises AMQPError."""
        opened: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        channel = Channel(self._raw.channel(on_open_callback=lambda raw: resolve(opened, raw)))
        try:
            await channel.answered(opened)
            yield channel
        finally:
            await channel.close()

    def _on_blocked(self, _: object, frame: Method[spec.Connection.Blocked]) -> None:
        self.blocked = str(frame.method.reason) or "of an alarm"

    def _on_unblocked(self, _: object, frame: Method[spec.Connection.Unblocked]) -> None:
        self.blocked = ""


class Channel:
    """A channel whose methods can be awaited. `raw` is pika's; `closed` is done once it is over, and says why."""

    def __init__(self, raw: pika_channel.Channel) -> None:
        self.raw = raw
        self.closed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        raw.add_on_close_callback(lambda _, reason: resolve(self.closed, reason))

    async def call(self, reply: type[Reply], method: Callable[..., object], /, **arguments: object) -> Reply:
        """Call this method of the raw channel and wait for its reply. Raises AMQPError when the channel closes."""
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

        def on_reply(frame: Method[Reply]) -> None:
            resolve(answer, frame.method)

        method(callback=on_reply, **arguments)
        return await self.answered(answer)

    async def answered(self, answer: asyncio.Future[T]) -> T:
        """The answer. Raises AMQPError when the channel closes before it comes."""
        await first_of(answer, self.closed)
        if not answer.done():
            raise self.closed.result()
        return answer.result()

    async def close(self) -> None:
        """Close it, if it is not closed already."""
        if not (self.raw.is_closing or self.raw.is_closed):
            self.raw.close()
        await asyncio.wait([self.closed], timeout=CLOSE_TIMEOUT)


@asynccontextmanager
async def connect(parameters: pika.URLParameters, *, role: str) -> AsyncIterator[Connection]:
    """One connection for as long as the body needs it. Raises AMQPError or OSError."""
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[object] = loop.create_future()
    closed: asyncio.Future[BaseException] = loop.create_future()
    parameters.client_properties = {"connection_name": f"leveret {role}"}
    raw = _CoalescingConnection(
        parameters,
        on_open_callback=lambda _: resolve(opened, None),
        on_open_error_callback=lambda _, error: resolve(closed, error),
        on_close_callback=lambda _, error: resolve(closed, error),
        custom_ioloop=loop,
    )
    try:
        await first_of(opened, closed)
        if not opened.done():
            reason = tls.explained(closed.result(), tls.BROKER) or repr(closed.result())
            said = f"no connection to {parameters.host}:{parameters.port}: {reason}"
            raise AMQPConnectionError(said) from closed.result()
        yield Connection(raw, closed)
    finally:
        if not (raw.is_closing or raw.is_closed):
            raw.close()
        await asyncio.wait([closed], timeout=CLOSE_TIMEOUT)
        raw.abort()


class _CoalescingConnection(AsyncioConnection):
    """Writes what one tick of the loop sends in one go: less than half of the CPU of pika's write per frame."""

    def __init__(self, *arguments: object, **options: object) -> None:
        self._tick: list[bytes] = []
        super().__init__(*arguments, **options)  # type: ignore[arg-type]  # handed through as they are

    def abort(self) -> None:
        """End it without waiting for the peer, if it has not ended."""
        if not self.is_closed:
            self._terminate_stream(ConnectionOpenAborted("given up"))  # type: ignore[attr-defined]  # not in the stubs

    def _adapter_emit_data(self, data: bytes) -> None:
        if not self._tick:
            self.ioloop.call_soon(self._write)
        self._tick.append(data)

    def _write(self) -> None:
        data = b"".join(self._tick)
        self._tick.clear()
        if not self.is_closed:
            super()._adapter_emit_data(data)  # type: ignore[misc]  # not in the stubs


def _parameters(url: str, context: SSLContext | None) -> pika.URLParameters:
    if "ssl_options" in parse_qs(urlsplit(url).query):
        reason = f"ssl_options in a URL could switch verification off; set {tls.BROKER.ca} and the like instead"
        raise InvalidSetting(name="broker_url", source="the settings", reason=reason)
    parameters = pika.URLParameters(url)
    if context is not None and url.startswith(_TLS):
        parameters.ssl_options = pika.SSLOptions(context)
    parameters.heartbeat = HEARTBEAT if parameters.heartbeat is None else parameters.heartbeat
    return parameters


async def first_of(one: asyncio.Future[T], other: asyncio.Future[E]) -> None:
    """Return as soon as one of them is done."""
    both: set[asyncio.Future[T] | asyncio.Future[E]] = {one, other}
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)


def resolve(future: asyncio.Future[T], value: T) -> None:
    """Let this be the future's result, unless it is done."""
    if not future.done():
        future.set_result(value)
