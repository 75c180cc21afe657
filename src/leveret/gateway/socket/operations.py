"""Operations: what a client asks for on its socket, done as the endpoints of the same names do it."""

from __future__ import annotations

from typing import Final

from msgspec import Raw

from leveret.config import GatewaySettings
from leveret.core.once import Once
from leveret.core.tracing import Tracer, taken_up
from leveret.errors import InvalidRequest
from leveret.gateway import repeats
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
        self,
        *,
        catalog: Catalog,
        submit: Submit,
        predictions: PredictionPages,
        views: Views,
        tracer: Tracer,
        settings: GatewaySettings,
    ) -> None:
        self._catalog = catalog
        self._submit = submit
        self._predictions = predictions
        self._views = views
        self._tracer = tracer
        self._lifetime = settings.idempotency_lifetime

    async def submit(self, wanted: messages.Submit, base: str, by: Identity) -> tuple[str, messages.Accepted]:
        """The id of the new prediction, and what to say of it. Raises what a POST is answered with."""
        self._submit.check_depth(bytes(wanted.input))
        limit = [] if wanted.cancel_after is None else [wanted.cancel_after]
        with self._tracer.request("SUBMIT", PATH, taken_up(wanted.traceparent, wanted.tracestate)) as span:
            served, once = await self._served(wanted), self._once(wanted)
            accepted = await self._submit.accept(
                served, wanted, cancel_after=limit, account=by.account, base=base, once=once, trace=span.trace
            )
        prediction = accepted.prediction
        content = Raw(await self._views.prediction(prediction, base))
        return prediction.id, messages.Accepted(prediction=content, ref=wanted.ref, replayed=accepted.repeated)

    async def cancel(self, unwanted: messages.Cancel, base: str, by: Identity) -> messages.AfterCancel:
        """The prediction after the cancel. Raises PredictionNotFound."""
        prediction = await self._predictions.canceled(known(unwanted.id), by)
        content = await self._views.prediction(prediction, base)
        return messages.AfterCancel(prediction=Raw(content), ref=unwanted.ref)

    def _once(self, wanted: messages.Submit) -> Once | None:
        if wanted.idempotency_key is None:
            return None
        return repeats.named([wanted.idempotency_key], PATH, messages.content(wanted), lifetime=self._lifetime)

    async def _served(self, wanted: messages.Submit) -> Served:
        match wanted.model, wanted.version:
            case str(model), None:
                return await self._catalog.model(model)
            case None, str(version):
                return await self._catalog.version(version)
            case _:
                raise InvalidRequest(reason=_WHICH)
