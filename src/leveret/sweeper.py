"""The sweeper: mends what a crash left behind. Any number may run; what one has taken the others leave alone.

1. A prediction that is past a deadline is ended. While it runs that is for its worker, which gets a head start.
2. A prediction whose publish was never confirmed is published again, under the same id.
3. A run whose lease has expired gets a message again, so that another worker takes it.
4. What waits long while its lane is empty gets a message again: a queue was deleted or emptied, or the broker's
   disk is another one. Where the lane is not empty its message may stand there, and it is left alone.
5. What the broker has given up becomes a dead letter.
6. Replies that are still owed to who asked over AMQP are sent.
7. Clients' files that have expired, and what was kept for as long as it should, are removed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Final, Protocol

import structlog
from msgspec.structs import replace

from leveret.config import SweeperSettings
from leveret.core import deadlines
from leveret.core.events import Canceled, Failed
from leveret.core.ports import Broker, Upkeep
from leveret.core.prediction import Prediction, Status
from leveret.erasure import Erasure
from leveret.errors import BrokerUnavailable, LeveretError, Unavailable
from leveret.observe.logs import about
from leveret.rejections import Rejections
from leveret.replies import Replies
from leveret.uploads import Uploads

LIMIT: Final = 1000
"""How many predictions one sweep takes of each kind."""

_log = structlog.get_logger()


class SweptStore(Upkeep, Protocol):
    """What the sweeper needs of the store."""

    async def end(self, prediction_id: str, ending: Failed | Canceled) -> bool:
        """See core.ports.Predictions."""
        ...


class Sweeper:
    """Sweeps every `settings.period` seconds, give or take a fifth, until it is cancelled."""

    def __init__(
        self,
        *,
        upkeep: SweptStore,
        broker: Broker,
        rejections: Rejections,
        uploads: Uploads,
        replies: Replies,
        erasure: Erasure,
        settings: SweeperSettings,
    ) -> None:
        self._upkeep = upkeep
        self._broker = broker
        self._rejections = rejections
        self._uploads = uploads
        self._replies = replies
        self._erasure = erasure
        self._settings = settings

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            try:
                await self.sweep()
            except Unavailable as error:
                _log.warning("sweep put off", reason=str(error))
            await asyncio.sleep(self._settings.period * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, no secret

    async def sweep(self) -> int:
        """One sweep; answers how many predictions were published again. Raises Unavailable."""
        await self._end_overdue()
        await self._uploads.remove_expired()
        mended = await self._mend() if self._broker.accepting else 0
        await self._erasure.collect(hold=self._settings.hold)  # behind the replies, which want the data
        return mended

    async def _mend(self) -> int:
        settings = self._settings
        unconfirmed = await self._upkeep.unpublished(age=settings.outbox_age, hold=settings.hold, limit=LIMIT)
        sent = await self._publish(unconfirmed, "its publish was never confirmed")
        if sent:
            await self._upkeep.published(sent)
        lapsed = await self._upkeep.lapsed(hold=settings.hold, limit=LIMIT)
        revived = await self._publish(lapsed, "its worker was lost")
        stranded = await self._publish(await self._stranded(), "its lane has lost it")
        await self._rejections.collect()
        await self._replies.collect()
        return len(sent) + len(revived) + len(stranded)

    async def _end_overdue(self) -> None:
        """A run is found twice before it is ended: what was found is held for as long as the head start lasts."""
        found, ended = LIMIT, 0
        while found == LIMIT:
            overdue = await self._upkeep.overdue(hold=self._settings.head_start, limit=LIMIT)
            results = await asyncio.gather(*[self._end(prediction, at=time.time()) for prediction in overdue])
            found, ended = len(overdue), ended + sum(results)
        if ended:
            _log.info("ended past their deadline", count=ended)

    async def _end(self, prediction: Prediction, *, at: float) -> bool:
        running = prediction.status is Status.PROCESSING
        ending = deadlines.overdue(prediction, at - self._settings.head_start if running else at)
        return ending is not None and await self._upkeep.end(prediction.id, replace(ending, at=at))

    async def _stranded(self) -> list[Prediction]:
        """What waits in vain. If its message is only in somebody's hand it comes twice, and the claim drops one."""
        settings = self._settings
        waiting = await self._upkeep.waiting(age=settings.outbox_age, hold=settings.hold, limit=LIMIT)
        empty = [lane for model in {one.model for one in waiting} for lane in await self._empty(model)]
        stranded = [one for one in waiting if (one.model, one.lane) in empty]
        for model in {one.model for one in stranded}:
            await self._broker.declare(model)
        return await self._upkeep.unbegun([one.id for one in stranded])

    async def _empty(self, model: str) -> list[tuple[str, int]]:
        return [(model, lane) for lane, count in enumerate(await self._broker.depth(model)) if count == 0]

    async def _publish(self, predictions: Sequence[Prediction], why: str) -> list[str]:
        results = await asyncio.gather(*[self._publish_one(prediction) for prediction in predictions])
        sent = [prediction.id for prediction, done in zip(predictions, results, strict=True) if done]
        if predictions:
            _log.info("published again", count=len(sent), of=len(predictions), why=why)
        return sent

    async def _publish_one(self, prediction: Prediction) -> bool:
        """Whether the broker confirmed it; otherwise a later sweep tries again."""
        try:
            await self._broker.publish(prediction)
        except BrokerUnavailable:
            return False
        except LeveretError as error:
            _log.warning("publish failed", **about(prediction), reason=str(error))
            return False
        return True
