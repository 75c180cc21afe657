"""Expiry: what goes of the predictions in Redis when its time is over."""

from __future__ import annotations

import time
from collections.abc import Sequence

from leveret.backends.redis import record, replies
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.claims import MISSING
from leveret.backends.redis.commands import Commands
from leveret.backends.redis.keys import Keys
from leveret.core.prediction import Prediction
from leveret.errors import NotEnded, PredictionNotFound

_NOT_ENDED = 0
"""The answer of remove.lua when nothing may be removed yet."""


class RedisExpiry:
    """Implements core.ports.Expiry, and the `delete` of core.ports.Predictions."""

    def __init__(self, *, batcher: Batcher, commands: Commands, keys: Keys) -> None:
        self._batcher = batcher
        self._commands = commands
        self._keys = keys

    async def outlived(self, *, hold: float, limit: int) -> list[Prediction]:
        """See core.ports.Expiry."""
        (due,) = await self._batcher.send([self._commands.due(self._keys.expiry, age=0, hold=hold, limit=limit)])
        ids = await self._without_news([prediction_id.decode() for prediction_id in replies.strings(due)])
        if not ids:
            return []
        records = map(replies.mapping, await self._batcher.send([("HGETALL", self._keys.record(one)) for one in ids]))
        found = [record.decode(fields).prediction for fields in records if fields]
        if len(found) < len(ids):  # those that are gone have nothing left to expire
            gone = set(ids).difference([prediction.id for prediction in found])
            await self._batcher.send([("ZREM", self._keys.expiry, *gone)])
        return found

    async def _without_news(self, ids: Sequence[str]) -> list[str]:
        """Those of which there is nothing that their webhooks do not know yet."""
        if not ids:
            return []
        (scores,) = await self._batcher.send([("ZMSCORE", self._keys.hooks, *ids)])
        return [one for one, score in zip(ids, replies.array(scores), strict=True) if score is None]

    async def remove_data(self, predictions: Sequence[Prediction]) -> None:
        """See core.ports.Expiry."""
        if predictions:
            now = time.time()
            await self._batcher.send([self._commands.remove(prediction, at=now) for prediction in predictions])

    async def remove_records(self, predictions: Sequence[Prediction]) -> None:
        """See core.ports.Expiry."""
        if predictions:
            await self._batcher.send([self._commands.forget(prediction) for prediction in predictions])

    async def delete(self, prediction: Prediction) -> None:
        """See core.ports.Predictions."""
        (answer,) = await self._batcher.send([self._commands.delete(prediction)])
        if answer == MISSING:
            raise PredictionNotFound(prediction_id=prediction.id)
        if answer == _NOT_ENDED:
            raise NotEnded(prediction_id=prediction.id, state=prediction.status)
