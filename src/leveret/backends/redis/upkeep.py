"""Upkeep: what the sweeper finds in Redis."""

from __future__ import annotations

from collections.abc import Sequence

from leveret.backends.redis import record, replies
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.commands import Commands
from leveret.backends.redis.connection import Reply
from leveret.backends.redis.keys import Keys
from leveret.backends.redis.record import Snapshot
from leveret.core.ports import Waiting
from leveret.core.prediction import Prediction, Status


class RedisUpkeep:
    """Implements core.ports.Upkeep and core.ports.Replies."""

    def __init__(self, *, batcher: Batcher, commands: Commands, keys: Keys) -> None:
        self._batcher = batcher
        self._commands = commands
        self._keys = keys

    async def unpublished(self, *, age: float, hold: float, limit: int) -> list[Prediction]:
        """See core.ports.Upkeep."""
        return await self._due(self._keys.outbox, age=age, hold=hold, limit=limit)

    async def published(self, prediction_ids: Sequence[str]) -> None:
        """See core.ports.Upkeep."""
        if prediction_ids:
            await self._batcher.send([self._commands.published(prediction_ids)])

    async def lapsed(self, *, hold: float, limit: int) -> list[Prediction]:
        """See core.ports.Upkeep."""
        return await self._due(self._keys.leases, age=0, hold=hold, limit=limit)

    async def overdue(self, *, hold: float, limit: int) -> list[Prediction]:
        """See core.ports.Upkeep."""
        return await self._due(self._keys.deadlines, age=0, hold=hold, limit=limit)

    async def waiting(self, *, age: float, hold: float, limit: int) -> list[Waiting]:
        """See core.ports.Upkeep."""
        (reply,) = await self._batcher.send([self._commands.due(self._keys.waiting, age=age, hold=hold, limit=limit)])
        ids = [prediction_id.decode() for prediction_id in replies.strings(reply)]
        answers = await self._batcher.send([self._commands.place(one) for one in ids]) if ids else []
        places = [_waiting(one, replies.array(answer)) for one, answer in zip(ids, answers, strict=True)]
        gone = [one for one, place in zip(ids, places, strict=True) if place is None]
        if gone:
            await self._batcher.send([("ZREM", self._keys.waiting, *gone)])
        return [place for place in places if place is not None]

    async def unbegun(self, prediction_ids: Sequence[str]) -> list[Prediction]:
        """See core.ports.Upkeep."""
        found = [snapshot.prediction for snapshot in await self._snapshots(prediction_ids)]
        return [prediction for prediction in found if prediction.status is Status.STARTING]

    async def unreplied(self, *, age: float, hold: float, limit: int) -> list[str]:
        """See core.ports.Replies."""
        (reply,) = await self._batcher.send([self._commands.due(self._keys.unreplied, age=age, hold=hold, limit=limit)])
        return [prediction_id.decode() for prediction_id in replies.strings(reply)]

    async def replied(self, prediction_ids: Sequence[str]) -> None:
        """See core.ports.Replies."""
        if prediction_ids:
            await self._batcher.send([("ZREM", self._keys.unreplied, *prediction_ids)])

    async def _due(self, key: str, *, age: float, hold: float, limit: int) -> list[Prediction]:
        (reply,) = await self._batcher.send([self._commands.due(key, age=age, hold=hold, limit=limit)])
        ids = [prediction_id.decode() for prediction_id in replies.strings(reply)]
        found = [snapshot.prediction for snapshot in await self._snapshots(ids)]
        if len(found) < len(ids):  # their records are gone, and so is their need of a message
            await self._batcher.send([("ZREM", key, *set(ids).difference([prediction.id for prediction in found]))])
        return found

    async def _snapshots(self, prediction_ids: Sequence[str]) -> list[Snapshot]:
        """The records that exist of these, in their order."""
        if not prediction_ids:
            return []
        answers = await self._batcher.send([("HGETALL", self._keys.record(one)) for one in prediction_ids])
        found = [record.decode(fields) for answer in answers if (fields := replies.mapping(answer))]
        return [snapshot for snapshot in found if not snapshot.gone]


def _waiting(prediction_id: str, fields: Sequence[Reply]) -> Waiting | None:
    """Where it waits, by its owner (`model account`) and its lane; None if the record is gone."""
    match fields:
        case [bytes(owner), bytes(lane)]:
            return Waiting(prediction_id, owner.decode().partition(" ")[0], int(lane))
        case _:
            return None
