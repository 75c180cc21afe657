"""Crowds: how many calls are under way to each host, so that one which answers slowly leaves room for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Crowded(Exception):
    """As many calls as may be are under way to this host."""


class Crowds:
    """At most `most` at once for each host."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._calls: Counter[str] = Counter()

    @contextmanager
    def joined(self, url: str) -> Iterator[None]:
        """Be one of those who call the URL's host. Raises Crowded."""
        host = _host(url)
        if self._calls[host] >= self._most:
            raise Crowded
        self._calls[host] += 1
        try:
            yield
        finally:
            self._calls[host] -= 1
            if not self._calls[host]:
                del self._calls[host]


def _host(url: str) -> str:
    """Nothing for what is no URL: the call will say so."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
