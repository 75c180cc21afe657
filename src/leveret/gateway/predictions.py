"""Predictions: one, a page of them, the end of one that is no longer wanted, and its removal."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Final
from urllib.parse import urlencode

import msgspec
import structlog
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from leveret.config import GatewaySettings
from leveret.core import control
from leveret.core.control import Cancel
from leveret.core.ports import Broker, Predictions, Query
from leveret.core.prediction import MODEL_NAME, PREDICTION_ID, Prediction, Status
from leveret.erasure import Erasure
from leveret.errors import InvalidRequest, PredictionNotFound, Unavailable
from leveret.gateway import prefer
from leveret.gateway.account import of
from leveret.gateway.identity import Identity, identity, own
from leveret.gateway.views import PredictionView, Views
from leveret.gateway.waits import Waits

PAGE: Final = 100
"""How many predictions stand on one page."""

TELL_PATIENCE: Final = 1.0
"""How long a worker is tried to be told of a cancel, in seconds; it learns of it by its next beat anyway."""

_encoder: Final = msgspec.json.Encoder()
_log = structlog.get_logger()


class PredictionPage(Struct, frozen=True):
    """A page, newest first; `next` is where older ones are. What is kept as blobs is only in the prediction itself."""

    next: str | None
    previous: str | None
    results: list[PredictionView]


class PredictionPages:
    """The endpoints of predictions that exist."""

    def __init__(
        self,
        *,
        store: Predictions,
        broker: Broker,
        views: Views,
        waits: Waits,
        erasure: Erasure,
        settings: GatewaySettings,
    ) -> None:
        self._store = store
        self._erasure = erasure
        self._broker = broker
        self._views = views
        self._waits = waits
        self._settings = settings

    async def get(self, request: Request) -> Response:
        """One prediction, as it is now; with `Prefer: wait` as soon as it has ended, or when the time is up."""
        prediction = await self._own(request)
        wait = prefer.wait(request.headers.getlist("prefer"), longest=self._settings.max_wait)
        if wait is None:
            return await self._answer(request, prediction)
        if not prediction.status.terminal:
            async with self._waits.while_wanted(request.receive, seconds=wait.seconds):
                await self._ended(prediction.id)
            prediction = await self._store.get(prediction.id)
        answer = await self._answer(request, prediction)
        answer.headers.update({"Preference-Applied": wait.applied, "Vary": "Prefer"})
        return answer

    async def list(self, request: Request) -> Response:
        """A page of predictions: `?cursor=` goes on, `?status=` and `?model=` filter."""
        query = _query(request)
        found = await self._store.search(query)
        base = self._views.base(request)
        page = PredictionPage(
            next=f"{base}/v1/predictions?{_further(query, found[PAGE - 1])}" if len(found) > PAGE else None,
            previous=None,
            results=[await self._views.listed(prediction, base) for prediction in found[:PAGE]],
        )
        return Response(_encoder.encode(page), media_type="application/json")

    async def cancel(self, request: Request) -> Response:
        """End what waits, have what runs stopped by its worker; what has ended stays as it is."""
        return await self._answer(request, await self.canceled(prediction_id(request), identity(request)))

    async def canceled(self, unwanted: str, by: Identity) -> Prediction:
        """This prediction once it is canceled, or its worker is told. Raises PredictionNotFound."""
        if not by.everything and not by.owns(await self._store.get(unwanted)):
            raise PredictionNotFound(prediction_id=unwanted)
        worker = await self._store.cancel(unwanted)
        if worker is not None:
            await self._tell(worker, Cancel(unwanted))
        return await self._store.get(unwanted)

    async def _ended(self, prediction_id: str) -> None:
        """Return when it has."""
        async with aclosing(self._store.follow(prediction_id)) as log:
            async for _ in log:
                pass

    async def delete(self, request: Request) -> Response:
        """Remove all that is known of what has ended."""
        await self._erasure.erase(await self._own(request))
        return Response(status_code=204)

    async def _own(self, request: Request) -> Prediction:
        return own(request, await self._store.get(prediction_id(request)))

    async def _tell(self, worker: str, cancel: Cancel) -> None:
        try:
            async with asyncio.timeout(TELL_PATIENCE):
                await self._broker.tell(worker, control.encode(cancel))
        except (Unavailable, TimeoutError) as error:
            _log.warning(
                "worker not told of a cancel", worker=worker, prediction_id=cancel.prediction_id, error=str(error)
            )

    async def _answer(self, request: Request, prediction: Prediction) -> Response:
        content = await self._views.prediction(prediction, self._views.base(request))
        return Response(content, media_type="application/json")


def prediction_id(request: Request) -> str:
    """The id in the path. Raises PredictionNotFound for what cannot be one."""
    return known(str(request.path_params["prediction_id"]))


def known(given: str) -> str:
    """The id, if it can be one. Raises PredictionNotFound."""
    if not PREDICTION_ID.fullmatch(given):
        raise PredictionNotFound(prediction_id=given)
    return given


def _query(request: Request) -> Query:
    parameters = request.query_params
    cursor, model, status = (parameters.get(name) or None for name in ("cursor", "model", "status"))
    if cursor is not None and not PREDICTION_ID.fullmatch(cursor):
        raise InvalidRequest(reason="`cursor` is not one that a page has named in `next`")
    if model is not None and not MODEL_NAME.fullmatch(model):
        raise InvalidRequest(reason="`model` must be `owner/name`")
    if status is not None and status not in set(Status):
        raise InvalidRequest(reason=f"`status` must be one of {', '.join(Status)}")
    return Query(
        account=of(request),
        before=cursor,
        limit=PAGE + 1,
        status=None if status is None else Status(status),
        model=model,
    )


def _further(query: Query, last: Prediction) -> str:
    """The parameters of the page behind this prediction."""
    given = {"cursor": last.id, "status": query.status, "model": query.model}
    return urlencode({name: value for name, value in given.items() if value is not None})
