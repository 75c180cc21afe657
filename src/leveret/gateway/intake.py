"""The intake: records and queues what is to be run."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterable
from contextlib import suppress
from typing import Protocol

import structlog
from msgspec import Raw, Struct
from msgspec.structs import replace

from leveret.core.blobs import input_key
from leveret.core.card import Card
from leveret.core.deadlines import earliest
from leveret.core.events import Failed
from leveret.core.limits import Allowance
from leveret.core.once import Once, Sent
from leveret.core.ports import Blobs, Broker, Predictions, Runs
from leveret.core.prediction import EMPTY, Blob, Prediction, Priority, Status, Trace, Webhook, new_id
from leveret.core.reuse import Defaults
from leveret.core.streams import once as at_once
from leveret.core.tracing import Span, Tracer
from leveret.core.wire import CONTENT_TYPE
from leveret.errors import (
    BrokerUnavailable,
    IdempotencyMismatch,
    LeveretError,
    LimitReached,
    NotEnded,
    PredictionNotFound,
    PublishUnconfirmed,
    Unavailable,
)
from leveret.gateway.confirmations import Confirmations
from leveret.observe.logs import about
from leveret.reuse import Reuse, answered

_log = structlog.get_logger()


class Accepted(Struct, frozen=True):
    """A prediction that is recorded; it is queued as well if the broker has `confirmed` it.

    One that is `repeated` was recorded before, for the same request.
    """

    prediction: Prediction
    confirmed: bool
    repeated: bool = False


class Wishes(Struct, frozen=True, kw_only=True):
    """What is asked for beside the input.

    It is canceled after `limit` seconds, or the model's own timeouts; its data stays for `keep` seconds after its end,
    or for as long as the model says, or else the store. What is `fresh` never gets the output of another one.
    """

    account: str
    priority: Priority
    limit: float | None = None
    keep: float | None = None
    webhook: Webhook | None = None
    fresh: bool = False
    trace: Trace | None = None


class IntakeStore(Predictions, Runs, Protocol):
    """What the intake needs of the store."""


class Intake:
    """Records and queues what is to be run."""

    def __init__(
        self,
        *,
        store: IntakeStore,
        broker: Broker,
        blobs: Blobs,
        confirmations: Confirmations,
        reuse: Reuse,
        tracer: Tracer,
        inline_limit: int,
    ) -> None:
        self._store = store
        self._broker = broker
        self._blobs = blobs
        self._confirmations = confirmations
        self._reuse = reuse
        self._tracer = tracer
        self._inline_limit = inline_limit

    async def accept(
        self, card: Card, given: Raw, wishes: Wishes, *, once: Once | None = None, within: Allowance | None = None
    ) -> Accepted:
        """A new prediction of this model.

        Or the one that `once` says to be asked for again: whoever has recorded that has queued it, or the sweeper
        does. Raises BrokerUnavailable or QueueRefused, and then it does not run; StoreUnavailable, and then nobody
        knows: the store may have recorded it before its answer was lost, and the sweeper queues what is recorded; or
        IdempotencyMismatch, RateExceeded or TooManyQueued, and then nothing has happened.
        """
        self._check_broker()
        fresh = await self._fresh(card, given, wishes)
        with self._tracer.publish(fresh) as span:
            return await self._accept(_within(span, fresh), card, once, within)

    async def _accept(self, fresh: Prediction, card: Card, once: Once | None, within: Allowance | None) -> Accepted:
        try:
            prediction = await self._store.create(fresh, once=once, within=within)
        except (IdempotencyMismatch, LimitReached):
            await self._discard(fresh)
            raise
        if prediction.id != fresh.id:
            await self._discard(fresh)
            return Accepted(prediction, confirmed=True, repeated=True)
        ended = None if card.reuse is None else await self._answered(prediction, card, lifetime=card.reuse)
        if ended is not None:
            return Accepted(ended, confirmed=True)
        return Accepted(prediction, await self._queued(prediction, once))

    async def accept_again(self, prediction: Prediction) -> Accepted:
        """This prediction, whose id follows from what it repeats: accepting it again changes nothing.

        So it may not end because the broker does not take it now: it stays in the outbox then, and the sweeper queues
        it. Raises BrokerUnavailable, and then nothing has happened, StoreUnavailable, or BlobNotFound.
        """
        self._check_broker()
        with self._tracer.publish(prediction) as span:
            return await self._accept_again(_within(span, prediction))

    async def _accept_again(self, prediction: Prediction) -> Accepted:
        recorded = await self._store.create(await self._with_own_input(prediction))
        if recorded.status is not Status.STARTING:
            return Accepted(recorded, confirmed=True)
        try:
            await self._broker.publish(recorded)
        except Unavailable as error:
            _log.warning("not queued yet", **about(recorded), reason=str(error))
            return Accepted(recorded, confirmed=False)
        self._confirmations.add(recorded.id)
        return Accepted(recorded, confirmed=True)

    def _check_broker(self) -> None:
        if not self._broker.accepting:
            raise BrokerUnavailable(reason="it is not connected, or an alarm blocks publishers")

    async def _fresh(self, card: Card, given: Raw, wishes: Wishes) -> Prediction:
        """A prediction that nobody knows yet; what is large of it is stored."""
        now = time.time()
        prediction_id = new_id(now, os.urandom(10))
        blob = None
        if len(memoryview(given)) > self._inline_limit:
            blob = await self._stored(input_key(prediction_id), at_once(bytes(given)))
        return Prediction(
            id=prediction_id,
            model=card.model,
            version=card.version,
            input=given if blob is None else EMPTY,
            input_blob=blob,
            created_at=now,
            account=wishes.account,
            priority=wishes.priority,
            retention=wishes.keep or card.retention,
            start_by=earliest(now, wishes.limit, card.queue_timeout),
            deadline=earliest(now, wishes.limit, card.total_timeout),
            webhook=wishes.webhook,
            fresh=wishes.fresh,
            trace=wishes.trace,
        )

    async def _answered(self, prediction: Prediction, card: Card, *, lifetime: float) -> Prediction | None:
        """The prediction with the output of another one, if that is at hand. Nothing that fails here is in the way."""
        try:
            leader = await self._reuse.leader(prediction, Defaults(card.input_schema), lifetime=lifetime)
            if leader is None or not leader.status.terminal:
                return None
            if await answered(prediction, leader, runs=self._store, reuse=self._reuse, streams=card.streams):
                return await self._store.get(prediction.id)
        except LeveretError as error:
            _log.warning("not answered with what is known", **about(prediction), reason=str(error))
        return None

    async def _discard(self, fresh: Prediction) -> None:
        """It is not needed. What cannot be removed now is only in nobody's way."""
        if fresh.input_blob is not None:
            try:
                await self._blobs.delete(fresh.input_blob)
            except Unavailable as error:
                _log.warning("large input left behind", **about(fresh), key=fresh.input_blob.key, reason=str(error))

    async def _forget(self, refused: Prediction) -> None:
        """Whoever sends it again is not to be answered that it was refused."""
        await self._discard(refused)
        with suppress(PredictionNotFound, NotEnded):  # it runs all the same, or somebody has deleted it
            await self._store.delete(refused)

    async def _with_own_input(self, prediction: Prediction) -> Prediction:
        """The prediction with a copy of its large input: that of another one goes when that one's time is over."""
        blob, key = prediction.input_blob, input_key(prediction.id)
        if blob is None or blob.key == key:
            return prediction
        return replace(prediction, input_blob=await self._stored(key, self._blobs.open(blob)))

    async def _stored(self, key: str, content: AsyncIterable[bytes]) -> Blob:
        return await self._blobs.put(key, content, content_type=CONTENT_TYPE)

    async def _queued(self, prediction: Prediction, once: Once | None) -> bool:
        """Whether the broker has confirmed it; if not, it stays in the outbox. Raises Unavailable if it was refused."""
        try:
            await self._broker.publish(prediction)
        except PublishUnconfirmed as error:
            _log.warning("publish unconfirmed", **about(prediction), reason=str(error))
            return False
        except Unavailable as error:
            await self._store.end(prediction.id, Failed(at=time.time(), error=str(error)))
            if once is not None and once.sent is not Sent.UNMARKED:
                await self._forget(prediction)
            raise
        self._confirmations.add(prediction.id)
        return True


def _within(span: Span, prediction: Prediction) -> Prediction:
    """What follows from the prediction follows from this span."""
    return prediction if span.trace is prediction.trace else replace(prediction, trace=span.trace)
