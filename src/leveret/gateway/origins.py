"""Origins: which web pages may ask a gateway that asks nobody for a key.

A browser on this machine sends what any page wants sent. One of somebody else could have models run, make a key, and on
a socket, or under a name of its own that leads here (DNS rebinding), read everything. With a key there is nothing to
fear: no browser adds it by itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from leveret.config import GatewaySettings
from leveret.errors import OriginRefused

_LOCAL: Final = re.compile(r"(.*\.)?localhost")
_PORT: Final = re.compile(r":\d*$")


class Origins:
    """The gateway's own addresses: an origin is one of them if it has the name by which the gateway was asked."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._own = urlsplit(settings.base_url).netloc.lower()
        self._any_name = settings.insecure

    def check(self, headers: Mapping[str, str]) -> None:
        """Raises OriginRefused for what a page of somebody else has sent, as far as a browser lets that be seen."""
        origin, host = headers.get("origin"), headers.get("host", "").lower()
        if origin is not None and _netloc(origin) not in {host, self._own}:
            raise OriginRefused(origin=origin[:200])
        if not self._any_name and host and host != self._own and not _is_ours(host):
            raise OriginRefused(origin=host[:200])


def _netloc(origin: str) -> str:
    """Nothing for what is no address, such as the `null` of a page that is shut in."""
    try:
        return urlsplit(origin).netloc.lower() or "-"
    except ValueError:
        return "-"


@lru_cache(maxsize=1024)  # clients have few names for it
def _is_ours(host: str) -> bool:
    """Whether nobody but this machine says where the name leads: an address says it itself."""
    name = _PORT.sub("", host).strip("[]")
    try:
        ip_address(name)
    except ValueError:
        return _LOCAL.fullmatch(name.rstrip(".")) is not None
    return True
