"""Connections to Redis: how they are made, what counts as losing one, and how long to wait before the next."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

import hiredis
from redis.asyncio.connection import AbstractConnection, ConnectionPool, SSLConnection
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import InvalidResponse, MasterDownError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as TooSlow

from leveret import tls
from leveret.core import retry
from leveret.errors import InvalidSetting

Part: TypeAlias = bytes | str | int
Command: TypeAlias = tuple[Part, ...]
Reply: TypeAlias = "int | bytes | list[Reply] | None"

LOST: Final = (Disconnected, TooSlow, InvalidResponse, ReadOnlyError, MasterDownError, OSError)
"""Errors after which another connection may do better: it broke, the server loads its files, or it is a replica."""

ANSWER_TIMEOUT: Final = 10.0
"""Seconds without an answer after which a connection counts as lost."""

_CONNECT_TIMEOUT: Final = 5.0
_FAREWELL: Final = 0.5
_TLS: Final = "rediss://"
_PORT: Final = 6379
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0


class Connector:
    """Makes connections to one server; redis-py knows about URLs, passwords and TLS."""

    def __init__(self, url: str, files: tls.Files = tls.NO_STORE_FILES) -> None:
        try:
            check(url, files)
            self._pool = ConnectionPool.from_url(
                url, protocol=2, driver_info=None, socket_timeout=None, socket_connect_timeout=_CONNECT_TIMEOUT
            )
            encrypt(self._pool, url, files)
            self._pool.make_connection()  # type: ignore[no-untyped-call] # it refuses options that it does not know
        except (TypeError, ValueError) as error:
            raise InvalidSetting(name="store_url", source="the settings", reason=tls.unread(url, error)) from error

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Connection]:
        """A new connection, closed at the end. Raises one of LOST."""
        raw = self._pool.make_connection()  # type: ignore[no-untyped-call] # redis-py leaves it unannotated
        try:
            await _opened(raw)
            yield Connection(raw)
        finally:
            # Waited for, as long as the other side takes part: a loop that ends before would leave the socket open.
            with suppress(*LOST, TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await raw.disconnect()


class Encrypted(SSLConnection):
    """A connection by a context that is ours: what redis-py makes of options believes more than it should."""

    def __init__(self, *, context: SSLContext, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type] # handed through as they are
        self.ssl_context.context = context


def check(url: str, files: tls.Files) -> None:
    """Raises InvalidSetting, or ValueError for what redis-py would take for database 0: a path that is no number."""
    files.refuse_plain(url, scheme=_TLS)
    parts = urlsplit(url)
    if any(name.startswith("ssl_") for name in parse_qs(parts.query)):
        raise ValueError(f"options for TLS in a URL could switch verification off; set {tls.STORE.ca} and the like")
    database = parts.path.strip("/")
    if parts.scheme != "unix" and database and not database.isdecimal():
        raise ValueError(f"the path of the URL must be the number of a database, not {database!r}")


def encrypted(url: str) -> tuple[str, int] | None:
    """The host and the port of a URL that wants TLS."""
    parts = urlsplit(url)
    return (parts.hostname or "localhost", parts.port or _PORT) if url.startswith(_TLS) else None


def encrypt(pool: ConnectionPool, url: str, files: tls.Files) -> None:
    """Have the pool make connections by TLS, if the URL wants that. Raises InvalidSetting."""
    if url.startswith(_TLS):
        pool.connection_class = Encrypted
        pool.connection_kwargs["context"] = tls.to_server(files)


async def _opened(raw: AbstractConnection) -> None:
    """Raises one of LOST, with what to do about it if that is known."""
    try:
        await raw.connect()  # type: ignore[no-untyped-call] # redis-py leaves it unannotated
    except LOST as error:
        raise _explained(error)  # noqa: B904 - it has its cause


def _explained(error: Exception) -> Exception:
    """The error, or a clearer one if TLS is the cause: some refuse a certificate only with their first answer."""
    reason = tls.explained(error, tls.STORE)
    if not reason:
        return error
    clearer = OSError(reason)
    clearer.__cause__ = error
    return clearer


class Connection:
    """Commands go out as one write, answers come back one by one."""

    def __init__(self, raw: AbstractConnection) -> None:
        self._raw = raw

    async def send(self, packed: Iterable[bytes]) -> None:
        """Send the packed commands. Raises one of LOST."""
        await self._raw.send_packed_command(packed, check_health=False)

    async def read(self) -> Reply | ResponseError:
        """The next answer; an error that concerns one command only is an answer too. Raises one of LOST."""
        try:
            reply: Reply = await self._raw.read_response()
        except LOST as error:
            raise _explained(error)  # noqa: B904 - it has its cause
        except ResponseError as error:
            return error
        return reply


def pack(command: Command) -> bytes:
    """The command as it is sent. hiredis does in less than 1 µs what takes redis-py 19 µs."""
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type] # its stub is unfinished
    return packed


def pause(failures: int) -> float:
    """How long to wait after so many failures in a row."""
    jitter = random.random()  # noqa: S311 - no secret
    return retry.pause(failures, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE, jitter=jitter)
