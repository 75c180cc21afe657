"""The unanswered: creates without any mark whose answers are not on their way yet.

A client of theirs that loses its connection sends them again at once, so the next one may be here before the first has
noticed that nobody waits for it any more. Whoever comes next therefore looks after those before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive

from leveret.core.once import Once
from leveret.core.ports import Predictions
from leveret.core.prediction import Prediction
from leveret.gateway.waits import gone


class Unanswered:
    """Has the store remember what was created for clients that have gone."""

    def __init__(self, *, store: Predictions) -> None:
        self._store = store
        self._waiting: dict[str, list[Waiting]] = {}

    @asynccontextmanager
    async def waiting(self, once: Once, receive: Receive) -> AsyncIterator[Waiting]:
        """While somebody waits for the answer of this create. Tell it the prediction as soon as that is recorded."""
        for earlier in list(self._waiting.get(once.key, ())):
            await self._look_after(earlier, once)
        waiting = Waiting(receive)
        self._waiting.setdefault(once.key, []).append(waiting)
        try:
            yield waiting
            await self._look_after(waiting, once)
        finally:
            waiting.looked.set()
            self._waiting[once.key].remove(waiting)
            if not self._waiting[once.key]:
                del self._waiting[once.key]

    async def _look_after(self, waiting: Waiting, once: Once) -> None:
        if not gone(waiting.receive):
            return
        await waiting.looked.wait()
        missed, waiting.prediction = waiting.prediction, None
        if missed is not None:
            await self._store.missed(missed, once)


class Waiting:
    """A client that waits, and the prediction that is recorded for it once it has been `looked` after."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.looked = asyncio.Event()
        self.prediction: Prediction | None = None

    def recorded(self, prediction: Prediction) -> None:
        """It is this one."""
        self.prediction = prediction
        self.looked.set()
