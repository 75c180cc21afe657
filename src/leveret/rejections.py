"""Rejections: what the broker has given up ends as a dead letter, unless it has ended or goes on without its message.

    take ─▶ does it wait? ─▶ end it, with its letter ─▶ acknowledge
             │ it runs, or it has ended ──────────────────▲
             │ no record: make one, and end that ─────────┤
             └ no message of ours: bury it ───────────────┘

A run that goes on needs no message: it is settled by its worker, or its lease lapses and the sweeper sends another.
Each step is recorded first and acknowledged second, so that a crash in between only repeats it.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Final, Protocol

import structlog

from leveret.core.events import Failed, Why
from leveret.core.letters import foreign
from leveret.core.ports import Broker, Letters, Predictions
from leveret.core.prediction import Prediction
from leveret.errors import PredictionNotFound

LIMIT: Final = 500
"""How many rejected messages are taken at once."""

_log = structlog.get_logger()


class Burials(Predictions, Letters, Protocol):
    """What this needs of the store."""


class Rejections:
    """Sees to what the broker has given up. Any number may do so at once."""

    def __init__(self, *, broker: Broker, store: Burials) -> None:
        self._broker = broker
        self._store = store

    async def collect(self) -> int:
        """See to what there is now; answers how many messages that were. Raises Unavailable."""
        alike: Counter[tuple[bytes, str, float]] = Counter()
        async with self._broker.rejected(limit=LIMIT) as rejected:
            for one in rejected:
                if one.prediction is None:
                    place = alike[one.body, one.reason, one.at]
                    alike[one.body, one.reason, one.at] += 1
                    await self._store.bury(foreign(one.body, reason=one.reason, at=one.at, place=place))
                else:
                    await self._end(one.prediction, one.reason)
                one.ack()
            if rejected:
                _log.warning("messages were given up", count=len(rejected), first=rejected[0].reason)
            return len(rejected)

    async def _end(self, prediction: Prediction, reason: str) -> None:
        failure = Failed(at=time.time(), error=f"it could not be delivered: {reason}", dead=Why.UNDELIVERABLE)
        if await self._store.end(prediction.id, failure):
            return
        try:
            await self._store.get(prediction.id)
        except PredictionNotFound:
            await self._store.create(prediction)
            await self._store.end(prediction.id, failure)
