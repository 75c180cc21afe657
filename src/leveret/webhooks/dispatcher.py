"""The dispatcher: queues an errand for every prediction that has news. Any number may run.

    look for news (held for a moment) ─▶ queue an errand ─▶ note that it is queued (held for long)

A crash before the note queues a second errand, which finds nothing left to tell. The long hold is for what no crash
explains, such as a queue that somebody has emptied: then the news are found again.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from leveret.core import webhooks
from leveret.core.hooks import Hooks
from leveret.core.ports import Queues
from leveret.core.webhooks import Fresh
from leveret.errors import LeveretError, Unavailable

PERIOD: Final = 0.2
"""Seconds between two looks."""

HOLD: Final = 10.0
"""Seconds until news are found again for which no errand was queued."""

LONG_HOLD: Final = 3600.0
"""Seconds until they are found again although an errand was."""

LIMIT: Final = 500
"""How many predictions one look takes."""

_log = structlog.get_logger()


class Dispatcher:
    """Looks for news until it is cancelled."""

    def __init__(self, *, hooks: Hooks, queues: Queues) -> None:
        self._hooks = hooks
        self._queues = queues

    async def run(self) -> None:
        """Dispatch for ever."""
        healthy = True
        while True:
            found = 0
            try:
                found = await self.dispatch()
                healthy = True
            except Unavailable as error:
                if healthy:
                    _log.warning("webhooks are put off", reason=str(error))
                healthy = False
            if found < LIMIT:
                await asyncio.sleep(PERIOD)

    async def dispatch(self) -> int:
        """One look; answers how many predictions had news. Raises StoreUnavailable."""
        if not self._queues.accepting:
            return 0
        found = await self._hooks.hooked(hold=HOLD, limit=LIMIT)
        results = await asyncio.gather(*[self._send(prediction_id) for prediction_id in found])
        sent = [prediction_id for prediction_id, done in zip(found, results, strict=True) if done]
        if sent:
            await self._hooks.sent(sent, hold=LONG_HOLD)
        return len(found)

    async def _send(self, prediction_id: str) -> bool:
        """Whether the broker confirmed it; otherwise a later look tries again."""
        try:
            await self._queues.send(webhooks.encode(Fresh(prediction_id)))
        except LeveretError as error:
            _log.warning("an errand was not queued", prediction_id=prediction_id, reason=str(error))
            return False
        return True
