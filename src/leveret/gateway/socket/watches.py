"""Watches: the logs that one connection follows, each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, contextmanager

from leveret.core.events import Entry
from leveret.core.ports import Predictions
from leveret.errors import InvalidRequest, LeveretError, PredictionNotFound, TooManyWatches
from leveret.gateway.files import links
from leveret.gateway.files.links import Links
from leveret.gateway.identity import Identify
from leveret.gateway.predictions import known
from leveret.gateway.socket import messages
from leveret.gateway.socket.writer import Writer


class Watches:
    """At most `limit` at once. Their tasks are of the `group`, which ends them.

    A log is read as fast as its events are sent: what a slow client has not taken yet stays in the store.
    """

    def __init__(
        self,
        *,
        store: Predictions,
        writer: Writer,
        group: asyncio.TaskGroup,
        limit: int,
        links: Links,
        base: str,
        identify: Identify,
    ) -> None:
        """`base` is what the links to files in outputs begin with."""
        self._store = store
        self._links = links
        self._base = base
        self._identify = identify
        self._writer = writer
        self._group = group
        self._limit = limit
        self._kept = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closed = False

    @contextmanager
    def room(self) -> Iterator[None]:
        """Keep room for one that begins in the block. Raises TooManyWatches."""
        if len(self._tasks) + self._kept >= self._limit:
            raise TooManyWatches(limit=self._limit)
        self._kept += 1
        try:
            yield
        finally:
            self._kept -= 1

    def begin(self, prediction_id: str, *, after: int = 0) -> None:
        """Send the events behind this number. Raises PredictionNotFound for what is no id, or InvalidRequest."""
        if prediction_id in self._tasks:
            raise InvalidRequest(reason="it is watched already; `unwatch` it first to begin somewhere else")
        if not self._closed:
            follow = self._follow(known(prediction_id), after)
            self._tasks[prediction_id] = self._group.create_task(follow)

    def end(self, prediction_id: str) -> None:
        """Send no further event of it; nothing happens if it is not watched."""
        task = self._tasks.pop(prediction_id, None)
        if task is not None:
            task.cancel()

    def close(self) -> None:
        """Begin no more."""
        self._closed = True

    async def _follow(self, prediction_id: str, after: int) -> None:
        last: messages.Message = messages.End(prediction_id)
        try:
            by = await self._identify()
            if not by.everything and not by.owns(await self._store.get(prediction_id)):
                raise PredictionNotFound(prediction_id=prediction_id)
            async with aclosing(self._store.follow(prediction_id, after=after)) as log:
                async for entry in log:
                    shown = await self._shown(prediction_id, entry)
                    await self._writer.send(messages.Happened(prediction_id, shown.number, shown.event))
        except LeveretError as error:
            last = messages.refused(error, id=prediction_id)
        del self._tasks[prediction_id]  # before the client knows it: it may watch again at once
        await self._writer.send(last)

    async def _shown(self, prediction_id: str, entry: Entry) -> Entry:
        """The entry, with links to its files; the prediction is only asked for if there are any."""
        if not links.some(entry):
            return entry
        return await self._links.in_entry(entry, await self._store.get(prediction_id), self._base)
