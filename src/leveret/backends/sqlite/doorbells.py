"""Doorbells: who waits inside this process for news about one thing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LIMIT: Final = 256
"""How many pieces of news are kept for a watcher that does not look."""


class Watcher(Generic[T]):
    """Keeps the news for one who waits for it."""

    def __init__(self) -> None:
        self._news: list[T] = []
        self._rung = asyncio.Event()

    async def news(self) -> list[T]:
        """What has come since the last call, at least one piece; nothing at all if it was too much to keep."""
        await self._rung.wait()
        self._rung.clear()
        news, self._news = self._news, []
        return news if len(news) <= LIMIT else []

    def ring(self, news: Sequence[T]) -> None:
        """Keep it and wake the watcher."""
        if len(self._news) <= LIMIT:
            self._news += news
        self._rung.set()


class Doorbells(Generic[T]):
    """The watchers of many things, each by its name."""

    def __init__(self) -> None:
        self._watchers: dict[str, list[Watcher[T]]] = {}

    @contextmanager
    def watch(self, name: str) -> Iterator[Watcher[T]]:
        """A watcher for this thing."""
        watcher = Watcher[T]()
        self._watchers.setdefault(name, []).append(watcher)
        try:
            yield watcher
        finally:
            self._watchers[name].remove(watcher)
            if not self._watchers[name]:
                del self._watchers[name]

    def ring(self, name: str, news: Sequence[T]) -> None:
        """Tell everyone who watches it."""
        for watcher in self._watchers.get(name, ()):
            watcher.ring(news)
