"""Operations: what a client asks for on its socket, done as the endpoints of the same names do it."""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from leveret.core.tracing import Tracer, taken_up
from leveret.errors import InvalidRequest
from leveret.gateway.catalog import Catalog, Served
from leveret.gateway.identity import Identity
from leveret.gateway.predictions import PredictionPages, known
from leveret.gateway.socket import messages
from leveret.gateway.submit import Submit
from leveret.gateway.views import Views

PATH: Final = "/v1/socket"
_WHICH: Final = "name either the `model` or the `version`"


class Operations:
    """Creates and cancels predictions for the connections. `base` is what the links of a connection begin with."""

    def __init__(
        self, *, catalog: Catalog, submit: Submit, predictions: PredictionPages, views: Views, tracer: Tracer
    ) -> None:
        self._catalog = catalog
        self._submit = submit
        self._predictions = predictions
        self._views = views
        self._tracer = tracer

    async def submit(self, wanted: messages.Submit, base: str, by: Identity) -> tuple[str, messages.Accepted]:
        """The id of the new prediction, and what to say of it. Raises what a POST is answered with."""
        limit = [] if wanted.cancel_after is None else [wanted.cancel_after]
        with self._tracer.request("SUBMIT", PATH, taken_up(wanted.traceparent, wanted.tracestate)) as span:
            served = await self._served(wanted)
            accepted = await self._submit.accept(
                served, wanted, cancel_after=limit, account=by.account, base=base, trace=span.trace
            )
        content = await self._views.prediction(accepted.prediction, base)
        return accepted.prediction.id, messages.Accepted(prediction=Raw(content), ref=wanted.ref)

    async def cancel(self, unwanted: messages.Cancel, base: str, by: Identity) -> messages.AfterCancel:
        """The prediction after the cancel. Raises PredictionNotFound."""
        prediction = await self._predictions.canceled(known(unwanted.id), by)
        content = await self._views.prediction(prediction, base)
        return messages.AfterCancel(prediction=Raw(content), ref=unwanted.ref)

    async def _served(self, wanted: messages.Submit) -> Served:
        match wanted.model, wanted.version:
            case str(model), None:
                return await self._catalog.model(model)
            case None, str(version):
                return await self._catalog.version(version)
            case _:
                raise InvalidRequest(reason=_WHICH)
