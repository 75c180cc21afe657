"""The watch: ends the connections of clients that do not take their part.

One look over all of them, every second or so, costs less than a timer for each request.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
from enum import Enum, auto
from typing import Final, Protocol

from msgspec import Struct

from leveret.config import GatewaySettings

SLOWEST: Final = 500
"""The bytes per second that a client has to send of a body, or to take of an answer: less is taken for none."""

_PERIOD: Final = 1.0
"""Seconds between two looks, or a fourth of the shortest timeout."""

_SPARE: Final = 4
"""So many of a process's open files are for one that is no connection: the store, the broker, blobs, models."""

_TCP_INFO_SIZE: Final = 136
_BYTES_ACKED: Final = 120
"""Where Linux tells in its `tcp_info` how many bytes the other side has taken."""


class Part(Enum):
    """What a connection waits for its client to do."""

    NOTHING = auto()
    HEAD = auto()
    """To send the rest of a request's head."""
    BODY = auto()
    """To send more of a body."""
    READING = auto()
    """To take more of an answer."""


class Pace(Struct, frozen=True):
    """Which part of the how-manieth message the client has to do, and how many bytes of it have moved so far."""

    part: Part
    message: int = 0
    moved: int = 0


class Connection(Protocol):
    """What can be watched."""

    def pace(self) -> Pace:
        """How far the client is."""

    def expire(self, part: Part) -> None:
        """End it: the client has not done its part in time."""


class _Since(Struct, frozen=True):
    pace: Pace
    at: float


class Watch:
    """Looks at the connections of one server for as long as there are any."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.most = settings.max_connections or _room()
        self._patience = {
            Part.HEAD: settings.head_timeout,
            Part.BODY: settings.body_timeout,
            Part.READING: settings.reading_timeout,
        }
        self._period = min(_PERIOD, min(self._patience.values()) / 4)
        self._connections: dict[Connection, _Since] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Connection) -> None:
        """Watch this one."""
        loop = asyncio.get_running_loop()
        self._connections[connection] = _Since(connection.pace(), loop.time())
        if self._timer is None:
            self._timer = loop.call_later(self._period, self._look)

    def remove(self, connection: Connection) -> None:
        """Watch it no more; nothing happens if it is not watched."""
        self._connections.pop(connection, None)
        if not self._connections and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._period, self._look)
        now = loop.time()
        for connection, since in list(self._connections.items()):
            pace = connection.pace()
            patience = self._patience.get(pace.part)
            if patience is None or (pace.part, pace.message) != (since.pace.part, since.pace.message):
                self._connections[connection] = _Since(pace, now)
            elif now - since.at >= patience:
                self._judge(connection, since, pace, now)

    def _judge(self, connection: Connection, since: _Since, pace: Pace, now: float) -> None:
        moved = pace.moved - since.pace.moved
        if pace.part is not Part.HEAD and moved >= SLOWEST * (now - since.at):
            self._connections[connection] = _Since(pace, now)
        else:
            connection.expire(pace.part)


def taken(transport: asyncio.Transport) -> int:
    """How many bytes the client has taken, or, where the system does not tell, how few are left for it."""
    tcp_info = getattr(socket, "TCP_INFO", None)
    connected = transport.get_extra_info("socket")
    if tcp_info is None or connected is None:
        return -transport.get_write_buffer_size()
    try:
        told = connected.getsockopt(socket.IPPROTO_TCP, tcp_info, _TCP_INFO_SIZE)
    except OSError:
        return -transport.get_write_buffer_size()
    acked: int = struct.unpack_from("Q", told, _BYTES_ACKED)[0] if len(told) == _TCP_INFO_SIZE else 0
    return acked


def _room() -> int:
    """How many connections the process has files for, beside what else it opens."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, soft - soft // _SPARE) if soft != resource.RLIM_INFINITY else 1_000_000
