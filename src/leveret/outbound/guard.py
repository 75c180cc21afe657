"""The guard: decides whether a URL that somebody else has chosen may be called, and at which addresses.

    check    what the URL itself says: scheme, user, host, port, and an address if its host is one
    resolve  the same, then its addresses: all of them have to be allowed, and only these are to be connected to

A name can lead elsewhere at the next look-up. So a caller connects to what `resolve` answers, and never looks up again.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import httpx2
import structlog
from msgspec import Struct

from leveret.config import OutboundSettings
from leveret.errors import HostUnresolved, UrlForbidden
from leveret.outbound import addresses

Lookup: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, to be reached at a port. Raises OSError."""

LONGEST: Final = 2048
"""The longest URL, in characters."""

_ELSEWHERE: Final = "not an address of the public internet; who runs this server can allow others with outbound.allow"
_PORTS: Final = {"https": 443, "http": 80}
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_LOCALHOST: Final = re.compile(r"(.+\.)?localhost\.?", re.IGNORECASE)
_LOOPBACK: Final = "127.0.0.1"

_log = structlog.get_logger()


class Target(Struct, frozen=True):
    """Where to connect for a URL: to one of the addresses, in this order, and it is `host` that is asked for there."""

    host: str
    port: int
    addresses: tuple[str, ...]


async def look_up(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class Guard:
    """Allows https to the public internet, and what the settings add to that. `lookup` finds the addresses."""

    def __init__(self, settings: OutboundSettings, *, lookup: Lookup = look_up) -> None:
        self._schemes = ("https", "http") if settings.allow_http else ("https",)
        self._allowed = addresses.networks(settings.allow)
        self._lookup = lookup

    def check(self, url: str) -> None:
        """Whether it could ever be called; asks nobody. Raises UrlForbidden."""
        target = self._target(url)
        if not self._allows(target):
            raise UrlForbidden(reason=f"{target.addresses[0]} is {_ELSEWHERE}")

    async def resolve(self, url: str) -> Target:
        """Where to connect. Raises UrlForbidden or HostUnresolved."""
        target = self._target(url)
        try:
            found = await self._lookup(target.host, target.port)
        except (OSError, UnicodeError) as error:
            raise HostUnresolved(host=target.host, reason=str(error)) from error
        if not found:
            raise HostUnresolved(host=target.host, reason="it has no address")
        resolved = Target(target.host, target.port, tuple(found))
        if not self._allows(resolved):
            # Only the log says which: what a name means in here is none of the client's business.
            _log.warning(
                "a URL leads to an address that is not allowed", host=target.host, addresses=resolved.addresses
            )
            raise UrlForbidden(reason=f"{target.host} leads to what is {_ELSEWHERE}")
        return resolved

    def _target(self, text: str) -> Target:
        """What the URL says. httpx2 reads it, who also sends the request: two readers could understand two hosts."""
        if len(text) > LONGEST:
            raise UrlForbidden(reason=f"it is longer than {LONGEST} characters")
        try:
            url = httpx2.URL(text)
        except httpx2.InvalidURL as error:
            raise UrlForbidden(reason=str(error)) from error
        host = url.raw_host.decode("ascii")
        if url.scheme not in self._schemes:
            raise UrlForbidden(reason=f"it must begin with {' or '.join(f'{one}://' for one in self._schemes)}")
        if url.userinfo:
            raise UrlForbidden(reason="it must not name a user or a password")
        if not _HOST.fullmatch(host):
            raise UrlForbidden(reason="it must name a host")
        port = _PORTS[url.scheme] if url.port is None else url.port
        if not 0 < port < 65536:
            raise UrlForbidden(reason="its port must be 1 to 65535")
        return Target(host, port, _literal(host))

    def _allows(self, target: Target) -> bool:
        """All of its addresses, if they are known: which one answers is not for us to say."""
        found = [addresses.parse(text) for text in target.addresses]
        return all(addresses.public(one) or addresses.within(one, self._allowed) for one in found)


def _literal(host: str) -> tuple[str, ...]:
    """The address, if the host is one, in any form that a resolver takes for one: 127.1 is 127.0.0.1.

    Raises UrlForbidden for what no resolver takes for a host.
    """
    if _LOCALHOST.fullmatch(host):
        return (_LOOPBACK,)
    try:
        found = socket.getaddrinfo(host.removesuffix("."), None, flags=socket.AI_NUMERICHOST)
    except UnicodeError as error:  # a label is empty, or longer than 63 characters
        raise UrlForbidden(reason="it must name a host") from error
    except OSError:
        return ()
    return (str(found[0][4][0]),)
