"""Submitting: how a POST becomes a prediction that is recorded, queued and answered.

    read ─▶ find the model ─▶ check the input ─▶ is the broker there? ─▶ record ─▶ queue ─▶ (wait) ─▶ answer

Up to the question for the broker a refusal leaves no trace. What is recorded has an entry in the store's outbox
until the broker has confirmed it, so it is never lost: a prediction whose publish stays unconfirmed is accepted
all the same, and the sweeper publishes it again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

import msgspec
import structlog
from msgspec import Raw, Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from leveret.config import GatewaySettings
from leveret.core.depth import deeper
from leveret.core.lifecycle import fold
from leveret.core.meters import Meter, Phase
from leveret.core.once import Once, Sent
from leveret.core.ports import Predictions
from leveret.core.prediction import HookEvent, Prediction, Priority, Trace, Webhook
from leveret.core.wire import submitted
from leveret.errors import (
    InvalidRequest,
    LeveretError,
    TooDeep,
)
from leveret.gateway import body, prefer, repeats, retention
from leveret.gateway.account import of
from leveret.gateway.cancel_after import seconds
from leveret.gateway.catalog import Catalog, Served
from leveret.gateway.files.inputs import FileInputs
from leveret.gateway.intake import Accepted, Intake, Wishes
from leveret.gateway.limiter import Limiter
from leveret.gateway.tracing import trace_of
from leveret.gateway.unanswered import Unanswered
from leveret.gateway.views import Views
from leveret.gateway.waits import Waits
from leveret.observe.logs import about
from leveret.outbound import Guard

_log = structlog.get_logger()


class Submission(Struct, frozen=True):
    """The body of a POST to a model. Other members are ignored: older clients send some."""

    input: Raw
    priority: str = Priority.NORMAL
    retention: float | str | None = None
    reuse: bool = True
    webhook: str | None = None
    webhook_events_filter: list[HookEvent] | None = None
    webhook_completed: str | None = None


class VersionedSubmission(Submission, frozen=True, kw_only=True):
    """The body of a POST to /v1/predictions. `version` is `owner/name`, `owner/name:version` or a version's id."""

    version: str


class Submit:
    """The two endpoints that create predictions, and what they share with the socket."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        intake: Intake,
        file_inputs: FileInputs,
        store: Predictions,
        views: Views,
        waits: Waits,
        meter: Meter,
        guard: Guard,
        limiter: Limiter,
        deepest: int,
        settings: GatewaySettings,
    ) -> None:
        self._catalog = catalog
        self._intake = intake
        self._file_inputs = file_inputs
        self._store = store
        self._unanswered = Unanswered(store=store)
        self._views = views
        self._waits = waits
        self._meter = meter
        self._guard = guard
        self._limiter = limiter
        self._deepest = deepest
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
        self,
        served: Served,
        submission: Submission,
        *,
        cancel_after: Sequence[str],
        account: str,
        base: str,
        once: Once | None = None,
        trace: Trace | None = None,
    ) -> Accepted:
        """Check it, record it and queue it, however it has come. What is answered has the input as it was given.

        `cancel_after` are the lines of the header of that name, `base` is what the client's links begin with; `once`
        says if it may have been sent before; `trace` is what it belongs to.
        """
        wishes = Wishes(
            account=account,
            priority=_priority(submission.priority),
            limit=seconds(cancel_after),
            keep=retention.seconds(submission.retention, longest=self._settings.max_retention),
            webhook=self._webhook(submission, base),
            fresh=not submission.reuse,
            trace=trace,
        )
        given, value = submission.input, served.schema.check(submission.input)
        if served.schema.places.any:
            given = await self._file_inputs.resolved(served, given, value, account=account, base=base)
        with self._limiter.admission(account, served.card.model) as within:
            accepted = await self._intake.accept(served.card, given, wishes, once=once, within=within)
        self._limiter.accepted(account, served.card.model, accepted.prediction.lane)
        return replace(accepted, prediction=_shown(accepted, submission.input))

    def check_depth(self, data: bytes) -> None:
        """Raises TooDeep for JSON that is nested more deeply than this gateway takes."""
        if deeper(data, than=self._deepest):
            raise TooDeep(limit=self._deepest)

    async def _read(self, request: Request) -> bytes:
        self._limiter.check(of(request))
        content = await body.read(request, limit=self._settings.max_body)
        self.check_depth(content)
        return content

    async def _submit(self, request: Request, served: Served, submission: Submission, content: bytes) -> Response:
        once = repeats.recognised(request, content, lifetime=self._settings.idempotency_lifetime)
        if once is None or once.sent is not Sent.UNMARKED:
            return await self._answer(request, await self._accepted(request, served, submission, once))
        async with self._unanswered.waiting(once, request.receive) as waiting:
            accepted = await self._accepted(request, served, submission, once)
            waiting.recorded(accepted.prediction)
            return await self._answer(request, accepted)

    async def _accepted(self, request: Request, served: Served, submission: Submission, once: Once | None) -> Accepted:
        return await self.accept(
            served,
            submission,
            cancel_after=request.headers.getlist("cancel-after"),
            account=of(request),
            base=self._views.base(request),
            once=once,
            trace=trace_of(request),
        )

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
            self._meter.phase(ended.model, Phase.DELIVERY, time.time() - (ended.completed_at or 0.0))
            return await self._views.prediction(ended, base)
        except LeveretError as error:
            _log.warning("no result for who waits", **about(prediction), reason=str(error))
            return None


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
