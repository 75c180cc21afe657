"""Retries: what has ended is asked for again, as a new prediction."""

from __future__ import annotations

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from leveret.core.ports import Predictions
from leveret.errors import InputRemoved, NotEnded
from leveret.gateway.catalog import Catalog
from leveret.gateway.identity import own
from leveret.gateway.intake import Intake, Wishes
from leveret.gateway.limiter import Limiter
from leveret.gateway.predictions import prediction_id
from leveret.gateway.tracing import trace_of
from leveret.gateway.views import Views


class Retries:
    """The endpoint that runs a prediction's input again, on what its model is now."""

    def __init__(self, *, catalog: Catalog, limiter: Limiter, intake: Intake, store: Predictions, views: Views) -> None:
        self._catalog = catalog
        self._limiter = limiter
        self._intake = intake
        self._store = store
        self._views = views

    async def retry(self, request: Request) -> Response:
        """A new prediction with the input, the priority, retention and webhook of this one, however that has ended."""
        ended = own(request, await self._store.get(prediction_id(request)))
        if not ended.status.terminal:
            raise NotEnded(prediction_id=ended.id, state=ended.status)
        given, removed = await self._views.stored_input(ended)
        if removed:
            raise InputRemoved(prediction_id=ended.id)
        served = await self._catalog.model(ended.model)
        base = self._views.base(request)
        served.schema.check((await self._views.input(ended, base))[0])
        wishes = Wishes(
            account=ended.account,
            priority=ended.priority,
            keep=ended.retention,
            webhook=ended.webhook,
            fresh=True,
            trace=trace_of(request),
        )
        with self._limiter.admission(ended.account, ended.model) as within:
            accepted = await self._intake.accept(served.card, given, wishes, within=within)
        fresh = replace(accepted.prediction, input=given, input_blob=None)
        content = await self._views.prediction(fresh, base)
        headers = {"Location": f"{base}/v1/predictions/{fresh.id}"}
        return Response(content, 201 if accepted.confirmed else 202, headers=headers, media_type="application/json")
