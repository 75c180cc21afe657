"""Listening: the sockets at which a process serves, taken before anything else is done."""

from __future__ import annotations

import errno
import socket

from leveret.errors import InvalidSetting


def listen(host: str, port: int, *, settings: str, flags: str) -> socket.socket:
    """A socket at this address; port 0 takes a free one.

    The names of the settings and flags are these and `host` or `port`. Raises InvalidSetting.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, UnicodeError) as error:
        taken = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES)
        which = "port" if taken else "host"
        raise InvalidSetting(
            name=f"{settings}{which}",
            source="the settings",
            reason=f"{host}:{port} cannot be listened on ({error}); choose another with {flags}{which}",
        ) from error
    listener.setblocking(False)
    return listener


def address(listener: socket.socket, *, scheme: str = "http") -> str:
    """Where it is to be found from this machine."""
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{shown}:{port}"
