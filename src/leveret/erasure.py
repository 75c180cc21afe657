"""Erasure: what is known of a prediction is removed when its time is over, or at once.

    its blobs ─▶ the data in its record, and its log ─▶ after some more time: its record

In this order, so that a crash in between only repeats it: as long as there is something left, its record tells of it.
A dead letter keeps the input of its prediction, since it may be run again, until it is retried or purged; whoever does
that removes the input after it. An erasure at once takes the dead letter along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from leveret.core.blobs import inputs, may_have_outputs, outputs
from leveret.core.letters import DeadLetter
from leveret.core.ports import Blobs, Expiry
from leveret.core.prediction import Prediction, Status
from leveret.errors import DeadLetterNotFound, PredictionNotFound, Unavailable
from leveret.observe.logs import about

LIMIT: Final = 200
"""How many predictions are taken at once; each may have 128 KiB in its record."""

_AT_ONCE: Final = 16
"""From how many of them blobs are removed at the same time."""

_log = structlog.get_logger()


class ErasableStore(Expiry, Protocol):
    """What this needs of the store."""

    async def get(self, prediction_id: str) -> Prediction:
        """See core.ports.Predictions."""
        ...

    async def delete(self, prediction: Prediction) -> None:
        """See core.ports.Predictions."""

    async def letter(self, letter_id: str) -> DeadLetter:
        """See core.ports.Letters."""
        ...

    async def discard(self, letter_ids: Sequence[str]) -> int:
        """See core.ports.Letters."""
        ...


class Erasure:
    """Removes predictions and dead letters with their blobs. Any number may do so at once."""

    def __init__(self, *, store: ErasableStore, blobs: Blobs) -> None:
        self._store = store
        self._blobs = blobs
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def collect(self, *, hold: float) -> int:
        """Remove what is due; answers of how many predictions that was something. Raises StoreUnavailable.

        What cannot be removed now is tried again after `hold` seconds.
        """
        found, removed = LIMIT, 0
        while found == LIMIT:
            expired = await self._store.outlived(hold=hold, limit=LIMIT)
            cleared = await asyncio.gather(*[self._cleared(prediction) for prediction in expired])
            ready = [prediction for prediction, done in zip(expired, cleared, strict=True) if done]
            await self._store.remove_data([prediction for prediction in ready if not prediction.data_removed])
            await self._store.remove_records([prediction for prediction in ready if prediction.data_removed])
            found, removed = len(expired), removed + len(ready)
        if removed:
            _log.info("removed what was kept long enough", predictions=removed)
        return removed

    async def erase(self, prediction: Prediction) -> None:
        """Remove what has ended, at once. Raises Unavailable, PredictionNotFound and NotEnded."""
        if prediction.status.terminal:
            await self._clear(_outputs(prediction) + _inputs(prediction))
        await self._store.delete(prediction)

    async def discard(self, letter: DeadLetter) -> None:
        """Forget a dead letter, and the input that it has kept for longer than its prediction has. Raises Unavailable.

        Looks twice, since the prediction's own time may be over just then.
        """
        prediction = letter.prediction
        kept = [] if prediction is None else _inputs(prediction)
        alone = bool(kept) and await self._is_removed(letter.id)
        if alone:
            await self._clear(kept)
        await self._store.discard([letter.id])
        if kept and not alone and await self._is_removed(letter.id):
            await self._clear(kept)

    async def _cleared(self, prediction: Prediction) -> bool:
        """Whether its blobs are removed, as far as nobody needs them any more."""
        folders = [] if prediction.data_removed else _outputs(prediction)
        try:
            if not await self._has_letter(prediction):
                folders += _inputs(prediction)
            async with self._room:
                await self._clear(folders)
        except Unavailable as error:
            _log.warning("not removed yet", **about(prediction), reason=str(error))
            return False
        return True

    async def _has_letter(self, prediction: Prediction) -> bool:
        """Whether there is a dead letter that refers to its input."""
        if prediction.input_blob is None or prediction.status is not Status.FAILED:
            return False
        try:
            await self._store.letter(prediction.id)
        except DeadLetterNotFound:
            return False
        return True

    async def _is_removed(self, prediction_id: str) -> bool:
        try:
            return (await self._store.get(prediction_id)).data_removed
        except PredictionNotFound:
            return True

    async def _clear(self, folders: Sequence[str]) -> None:
        for folder in folders:
            await self._blobs.clear(folder)


def _inputs(prediction: Prediction) -> list[str]:
    return [] if prediction.input_blob is None else [inputs(prediction.id)]


def _outputs(prediction: Prediction) -> list[str]:
    return [outputs(prediction.id)] if may_have_outputs(prediction) else []
