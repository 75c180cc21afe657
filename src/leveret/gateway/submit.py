"""Submitting: how a POST becomes a prediction that is recorded, queued and answered.

    read ─▶ find the model ─▶ check the input ─▶ is the broker there? ─▶ record ─▶ queue ─▶ (wait) ─▶ answer

Up to the question for the broker a refusal leaves no trace. What is recorded has an entry in the store's outbox
until the broker has confirmed it, so it is never lost: a prediction whose publish stays unconfirmed is accepted
all the same, and the sweeper publishes it again.
"""

from __future__ import annotations

import os
import time
from contextlib import aclosing
from typing import Final

import msgspec
import structlog
from msgspec import Raw, Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from leveret.config import GatewaySettings
from leveret.core.card import Card
from leveret.core.deadlines import earliest
from leveret.core.events import Failed
from leveret.core.lifecycle import fold
from leveret.core.ports import Blobs, Broker, Predictions
from leveret.core.prediction import Blob, HookEvent, Prediction, Priority, Status, Webhook, new_id
from leveret.core.streams import once
from leveret.core.wire import CONTENT_TYPE
from leveret.errors import BrokerUnavailable, InvalidRequest, LeveretError, PublishUnconfirmed, Unavailable
from leveret.gateway import body, cancel_after, prefer
from leveret.gateway.catalog import Catalog, Served
from leveret.gateway.confirmations import Confirmations
from leveret.gateway.views import EMPTY, Views
from leveret.gateway.waits import Waits
from leveret.outbound import Guard

_log = structlog.get_logger()


class Submission(Struct, frozen=True):
    """The body of a POST to a model. Other members are ignored: older clients send some."""

    input: Raw
    priority: str = Priority.NORMAL
    webhook: str | None = None
    webhook_events_filter: list[HookEvent] | None = None
    webhook_completed: str | None = None


class VersionedSubmission(Submission, frozen=True, kw_only=True):
    """The body of a POST to /v1/predictions. `version` is `owner/name`, `owner/name:version` or a version's id."""

    version: str


class Accepted(Struct, frozen=True):
    """A prediction that is recorded; it is queued as well if the broker has `confirmed` it."""

    prediction: Prediction
    confirmed: bool


class Submit:
    """The two endpoints that create predictions."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        intake: Intake,
        store: Predictions,
        views: Views,
        waits: Waits,
        guard: Guard,
        settings: GatewaySettings,
    ) -> None:
        self._catalog = catalog
        self._intake = intake
        self._store = store
        self._views = views
        self._waits = waits
        self._guard = guard
        self._settings = settings

    async def to_model(self, request: Request) -> Response:
        """Create a prediction of the model that the path names."""
        submission = body.decode(await self._read(request), _submission)
        served = await self._catalog.model("{owner}/{name}".format_map(request.path_params))
        return await self._submit(request, served, submission)

    async def to_version(self, request: Request) -> Response:
        """Create a prediction of the model that the body names."""
        submission = body.decode(await self._read(request), _versioned)
        served = await self._catalog.version(submission.version)
        return await self._submit(request, served, submission)

    async def _read(self, request: Request) -> bytes:
        return await body.read(request, limit=self._settings.max_body)

    async def _submit(self, request: Request, served: Served, submission: Submission) -> Response:
        limit = cancel_after.seconds(request.headers.getlist("cancel-after"))
        priority = _priority(submission.priority)
        base = self._views.base(request)
        webhook = self._webhook(submission, base)
        served.schema.check(submission.input)
        accepted = await self._intake.accept(
            served.card, submission.input, priority=priority, limit=limit, webhook=webhook
        )
        prediction = replace(accepted.prediction, input=submission.input, input_blob=None)
        content = await self._views.prediction(prediction, base)
        headers = {"Location": f"{base}/v1/predictions/{prediction.id}", "Vary": "Prefer"}
        wait = prefer.wait(request.headers.getlist("prefer"), longest=self._settings.max_wait)
        if wait is not None:
            headers["Preference-Applied"] = wait.applied
            async with self._waits.while_wanted(request.receive, seconds=wait.seconds):
                content = await self._result(prediction, base) or content
        return Response(content, 201 if accepted.confirmed else 202, headers=headers, media_type="application/json")

    def _webhook(self, submission: Submission, base: str) -> Webhook | None:
        """What is to be told of it. Raises UrlForbidden when that can never be called."""
        url, events = submission.webhook, submission.webhook_events_filter
        if url is None:
            url, events = submission.webhook_completed, [HookEvent.COMPLETED]
        if url is None:
            return None
        self._guard.check(url)
        return Webhook(url, tuple(HookEvent if events is None else dict.fromkeys(events)), base)

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
        self, card: Card, given: Raw, *, priority: Priority, limit: float | None, webhook: Webhook | None = None
    ) -> Accepted:
        """A new prediction of this model, canceled after `limit` seconds or the model's own timeouts.

        Raises BrokerUnavailable or QueueRefused, and then it does not run; or StoreUnavailable, and then nobody
        knows: the store may have recorded it before its answer was lost, and the sweeper queues what is recorded.
        """
        self._check_broker()
        prediction = await self._recorded(card, given, priority, limit, webhook)
        return Accepted(prediction, await self._queued(prediction))

    async def accept_again(self, prediction: Prediction) -> Accepted:
        """This prediction, whose id follows from what it repeats: accepting it again changes nothing.

        So it may not end because the broker does not take it now: it stays in the outbox then, and the sweeper queues
        it. Raises BrokerUnavailable, and then nothing has happened, or StoreUnavailable.
        """
        self._check_broker()
        recorded = await self._store.create(prediction)
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

    async def _recorded(
        self, card: Card, given: Raw, priority: Priority, limit: float | None, webhook: Webhook | None
    ) -> Prediction:
        now = time.time()
        prediction_id = new_id(now, os.urandom(10))
        blob = None
        if len(memoryview(given)) > self._inline_limit:
            blob = await self._stored(f"inputs/{prediction_id}.json", given)
        prediction = Prediction(
            id=prediction_id,
            model=card.model,
            version=card.version,
            input=given if blob is None else EMPTY,
            input_blob=blob,
            created_at=now,
            priority=priority,
            start_by=earliest(now, limit, card.queue_timeout),
            deadline=earliest(now, limit, card.total_timeout),
            webhook=webhook,
        )
        return await self._store.create(prediction)

    async def _stored(self, key: str, given: Raw) -> Blob:
        return await self._blobs.put(key, once(bytes(given)), content_type=CONTENT_TYPE)

    async def _queued(self, prediction: Prediction) -> bool:
        """Whether the broker has confirmed it; if not, it stays in the outbox. Raises Unavailable if it was refused."""
        try:
            await self._broker.publish(prediction)
        except PublishUnconfirmed as error:
            _log.warning("publish unconfirmed", id=prediction.id, model=prediction.model, reason=str(error))
            return False
        except Unavailable as error:
            await self._store.end(prediction.id, Failed(at=time.time(), error=str(error)))
            raise
        self._confirmations.add(prediction.id)
        return True


def _priority(given: str) -> Priority:
    if given not in set(Priority):
        raise InvalidRequest(reason=f"`priority` must be one of {', '.join(Priority)}")
    return Priority(given)


_submission: Final = msgspec.json.Decoder(Submission)
_versioned: Final = msgspec.json.Decoder(VersionedSubmission)
