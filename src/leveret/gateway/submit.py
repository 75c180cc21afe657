"""Submitting: how a POST becomes a prediction that is recorded, queued and answered.

    read ─▶ find the model ─▶ check the input ─▶ is the broker there? ─▶ record ─▶ queue ─▶ (wait) ─▶ answer

Up to the question for the broker a refusal leaves no trace. What is recorded has an entry in the store's outbox
until the broker has confirmed it, so it is never lost: a prediction whose publish stays unconfirmed is accepted
all the same, and the sweeper publishes it again.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterable, Sequence
from contextlib import aclosing, suppress
from typing import Final

import msgspec
import structlog
from msgspec import Raw, Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from leveret.config import GatewaySettings
from leveret.core.blobs import input_key
from leveret.core.card import Card
from leveret.core.deadlines import earliest
from leveret.core.events import Failed
from leveret.core.lifecycle import fold
from leveret.core.once import Once, Sent
from leveret.core.ports import Blobs, Broker, Predictions
from leveret.core.prediction import EMPTY, Blob, Prediction, Priority, Status, new_id
from leveret.core.streams import once as at_once
from leveret.core.wire import CONTENT_TYPE, submitted
from leveret.errors import (
    BrokerUnavailable,
    IdempotencyMismatch,
    InvalidRequest,
    LeveretError,
    NotEnded,
    PredictionNotFound,
    PublishUnconfirmed,
    Unavailable,
)
from leveret.gateway import body, prefer, repeats, retention
from leveret.gateway.cancel_after import seconds
from leveret.gateway.catalog import Catalog, Served
from leveret.gateway.confirmations import Confirmations
from leveret.gateway.views import Views
from leveret.gateway.waits import Waits, gone

_log = structlog.get_logger()


class Submission(Struct, frozen=True):
    """The body of a POST to a model. Other members are ignored: older clients send some."""

    input: Raw
    priority: str = Priority.NORMAL
    retention: float | str | None = None


class VersionedSubmission(Submission, frozen=True, kw_only=True):
    """The body of a POST to /v1/predictions. `version` is `owner/name`, `owner/name:version` or a version's id."""

    version: str


class Accepted(Struct, frozen=True):
    """A prediction that is recorded; it is queued as well if the broker has `confirmed` it.

    One that is `repeated` was recorded before, for the same request.
    """

    prediction: Prediction
    confirmed: bool
    repeated: bool = False


class Submit:
    """The two endpoints that create predictions, and what they share with the socket."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        intake: Intake,
        store: Predictions,
        views: Views,
        waits: Waits,
        settings: GatewaySettings,
    ) -> None:
        self._catalog = catalog
        self._intake = intake
        self._store = store
        self._views = views
        self._waits = waits
        self._settings = settings

    async def to_model(self, request: Request) -> Response:
        """Create a prediction of the model that the path names."""
        content = await self._read(request)
        submission = body.decode(content, _submission)
        served = await self._catalog.model("{owner}/{name}".format_map(request.path_params))
        return await self._submit(request, served, submission, content)

    async def to_version(self, request: Request) -> Response:
        """Create a prediction of the model that the body names."""
        content = await self._read(request)
        submission = body.decode(content, _versioned)
        served = await self._catalog.version(submission.version)
        return await self._submit(request, served, submission, content)

    async def accept(
        self, served: Served, submission: Submission, *, cancel_after: Sequence[str], once: Once | None = None
    ) -> Accepted:
        """Check it, record it and queue it, however it has come. What is answered has the input as it was given.

        `cancel_after` are the lines of the header of that name; `once` says if it may have been sent before.
        """
        limit = seconds(cancel_after)
        keep = retention.seconds(submission.retention, longest=self._settings.max_retention)
        priority = _priority(submission.priority)
        served.schema.check(submission.input)
        accepted = await self._intake.accept(
            served.card, submission.input, priority=priority, limit=limit, keep=keep, once=once
        )
        return replace(accepted, prediction=_shown(accepted, submission.input))

    async def _read(self, request: Request) -> bytes:
        return await body.read(request, limit=self._settings.max_body)

    async def _submit(self, request: Request, served: Served, submission: Submission, content: bytes) -> Response:
        once = repeats.recognised(request, content, lifetime=self._settings.idempotency_lifetime)
        accepted = await self.accept(
            served, submission, cancel_after=request.headers.getlist("cancel-after"), once=once
        )
        answer = await self._answer(request, accepted)
        if once is not None and once.sent is Sent.UNMARKED and gone(request.receive):
            await self._store.missed(accepted.prediction, once)
        return answer

    async def _answer(self, request: Request, accepted: Accepted) -> Response:
        prediction, base = accepted.prediction, self._views.base(request)
        content = await self._views.prediction(prediction, base)
        headers = {"Location": f"{base}/v1/predictions/{prediction.id}", "Vary": "Prefer"}
        if accepted.repeated:
            headers["Idempotent-Replayed"] = "true"
        wait = prefer.wait(request.headers.getlist("prefer"), longest=self._settings.max_wait)
        if wait is not None:
            headers["Preference-Applied"] = wait.applied
            if not prediction.status.terminal:
                async with self._waits.while_wanted(request.receive, seconds=wait.seconds):
                    content = await self._result(prediction, base) or content
        return Response(content, 201 if accepted.confirmed else 202, headers=headers, media_type="application/json")

    async def _result(self, prediction: Prediction, base: str) -> bytes | None:
        """The prediction as it has ended, never as it runs: clients take every status but `starting` for final.

        Nothing that fails here undoes the prediction: there is no result then, as if the wait had been too short.
        """
        try:
            async with aclosing(self._store.follow(prediction.id)) as log:
                ended = fold(prediction, [entry.event async for entry in log])
            return await self._views.prediction(ended, base)
        except LeveretError as error:
            _log.warning("no result for who waits", id=prediction.id, reason=str(error))
            return None


class Intake:
    """Records and queues what is to be run."""

    def __init__(
        self,
        *,
        store: Predictions,
        broker: Broker,
        blobs: Blobs,
        confirmations: Confirmations,
        inline_limit: int,
    ) -> None:
        self._store = store
        self._broker = broker
        self._blobs = blobs
        self._confirmations = confirmations
        self._inline_limit = inline_limit

    async def accept(
        self,
        card: Card,
        given: Raw,
        *,
        priority: Priority,
        limit: float | None,
        keep: float | None = None,
        once: Once | None = None,
    ) -> Accepted:
        """A new prediction of this model, canceled after `limit` seconds or the model's own timeouts.

        Its data stays for `keep` seconds after its end, or for as long as the model says, or else the store.

        Or the one that `once` says to be asked for again: whoever has recorded that has queued it, or the sweeper
        does. Raises BrokerUnavailable or QueueRefused, and then it does not run; StoreUnavailable, and then nobody
        knows: the store may have recorded it before its answer was lost, and the sweeper queues what is recorded; or
        IdempotencyMismatch.
        """
        self._check_broker()
        fresh = await self._fresh(card, given, priority, limit, keep)
        try:
            prediction = await self._store.create(fresh, once=once)
        except IdempotencyMismatch:
            await self._discard(fresh)
            raise
        if prediction.id != fresh.id:
            await self._discard(fresh)
            return Accepted(prediction, confirmed=True, repeated=True)
        return Accepted(prediction, await self._queued(prediction, once))

    async def accept_again(self, prediction: Prediction) -> Accepted:
        """This prediction, whose id follows from what it repeats: accepting it again changes nothing.

        So it may not end because the broker does not take it now: it stays in the outbox then, and the sweeper queues
        it. Raises BrokerUnavailable, and then nothing has happened, StoreUnavailable, or BlobNotFound.
        """
        self._check_broker()
        recorded = await self._store.create(await self._with_own_input(prediction))
        if recorded.status is not Status.STARTING:
            return Accepted(recorded, confirmed=True)
        try:
            await self._broker.publish(recorded)
        except Unavailable as error:
            _log.warning("not queued yet", id=recorded.id, model=recorded.model, reason=str(error))
            return Accepted(recorded, confirmed=False)
        self._confirmations.add(recorded.id)
        return Accepted(recorded, confirmed=True)

    def _check_broker(self) -> None:
        if not self._broker.accepting:
            raise BrokerUnavailable(reason="it is not connected, or an alarm blocks publishers")

    async def _fresh(
        self, card: Card, given: Raw, priority: Priority, limit: float | None, keep: float | None
    ) -> Prediction:
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
            priority=priority,
            retention=keep or card.retention,
            start_by=earliest(now, limit, card.queue_timeout),
            deadline=earliest(now, limit, card.total_timeout),
        )

    async def _discard(self, fresh: Prediction) -> None:
        """It is not needed. What cannot be removed now is only in nobody's way."""
        if fresh.input_blob is not None:
            try:
                await self._blobs.delete(fresh.input_blob)
            except Unavailable as error:
                _log.warning("large input left behind", key=fresh.input_blob.key, reason=str(error))

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
            _log.warning("publish unconfirmed", id=prediction.id, model=prediction.model, reason=str(error))
            return False
        except Unavailable as error:
            await self._store.end(prediction.id, Failed(at=time.time(), error=str(error)))
            if once is not None and once.sent is not Sent.UNMARKED:
                await self._forget(prediction)
            raise
        self._confirmations.add(prediction.id)
        return True


def _shown(accepted: Accepted, given: Raw) -> Prediction:
    """The prediction with its input, which is at hand. Until it has ended it is as it was submitted: see `_result`."""
    if accepted.prediction.data_removed:
        return accepted.prediction
    prediction = replace(accepted.prediction, input=given, input_blob=None)
    if not accepted.repeated or prediction.status.terminal:
        return prediction
    return replace(submitted(prediction), attempt=0, charged=0)


def _priority(given: str) -> Priority:
    if given not in set(Priority):
        raise InvalidRequest(reason=f"`priority` must be one of {', '.join(Priority)}")
    return Priority(given)


_submission: Final = msgspec.json.Decoder(Submission)
_versioned: Final = msgspec.json.Decoder(VersionedSubmission)
