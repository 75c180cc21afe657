"""Crowds: how many calls are under way to each host, so that one which answers slowly leaves room for the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Crowded(Exception):
    """As many calls as may be are under way to this host, and none of them has ended soon."""


class Crowds:
    """At most `most` at once for each host; who comes then waits up to `patience` seconds."""

    def __init__(self, *, most: int, patience: float) -> None:
        self._most = most
        self._patience = patience
        self._crowds: dict[str, _Crowd] = {}

    @asynccontextmanager
    async def joined(self, url: str) -> AsyncIterator[None]:
        """Be one of those who call the URL's host. Raises Crowded."""
        host = _host(url)
        crowd = self._crowds.setdefault(host, _Crowd(self._most))
        crowd.members += 1
        try:
            await self._wait(crowd)
            try:
                yield
            finally:
                crowd.places.release()
        finally:
            crowd.members -= 1
            if not crowd.members:
                del self._crowds[host]

    async def _wait(self, crowd: _Crowd) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await crowd.places.acquire()
        except TimeoutError:
            raise Crowded from None


class _Crowd:
    """Those who call one host, or wait for that."""

    __slots__ = ("members", "places")

    def __init__(self, most: int) -> None:
        self.members = 0
        self.places = asyncio.Semaphore(most)


def _host(url: str) -> str:
    """Nothing for what is no URL: the call will say so."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
