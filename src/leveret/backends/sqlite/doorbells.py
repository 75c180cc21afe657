"""Doorbells: who waits inside this process for news about one thing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Generic, TypeVar

T = TypeVar("T")

LIMIT: Final = 256
"""How many pieces of news are kept for a watcher that does not look."""

LIMIT_BYTES: Final = 1024 * 1024
"""How many bytes of news are kept for it, whatever their number."""


class Watcher(Generic[T]):
    """Keeps the news for one who waits for it."""

    def __init__(self) -> None:
        self._news: list[T] = []
        self._size = 0
        self._missed = False
        self._rung = asyncio.Event()

    async def news(self) -> list[T]:
        """What has come since the last call, at least one piece; nothing at all if it was too much to keep."""
        await self._rung.wait()
        self._rung.clear()
        news, self._news, self._size, self._missed = self._news, [], 0, False
        return news

    def ring(self, news: Sequence[T], size: int) -> None:
        """Keep it and wake the watcher."""
        self._rung.set()
        self._size += size
        if self._missed or len(self._news) + len(news) > LIMIT or self._size > LIMIT_BYTES:
            self._news, self._missed = [], True
        else:
            self._news += news


class Doorbells(Generic[T]):
    """The watchers of many things, each by its name. `size` tells how many bytes a piece of news takes."""

    def __init__(self, *, size: Callable[[T], int]) -> None:
        self._size = size
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
        watchers = self._watchers.get(name)
        if watchers is None:
            return
        size = sum(map(self._size, news))
        for watcher in watchers:
            watcher.ring(news, size)
