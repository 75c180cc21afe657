"""The webhooks of predictions, as a gateway serves them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from leveret.client.caller import Caller
from leveret.client.exchange import Request, finish
from leveret.client.prediction import Prediction
from leveret.core.prediction import PREDICTION_ID
from leveret.core.signature import verify
from leveret.errors import MalformedJson, PredictionNotFound

_decoder: Final = msgspec.json.Decoder(Prediction)


def received(body: bytes, headers: Mapping[str, str], *, secret: str) -> Prediction:
    """The prediction that a webhook has brought, if it is signed with the secret, and was so in the last five minutes.

    It can come more than once. Raises BadSignature, and MalformedJson.
    """
    verify(secret, {name.lower(): value for name, value in headers.items()}, body, now=time.time())
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedJson(reason=str(error)) from error


class WebhookCall(Struct, frozen=True, kw_only=True):
    """One call: what the receiver answered, or in `error` why it did not."""

    at: str
    event: str
    webhook_id: str
    attempt: int
    status: int | None
    error: str | None
    seconds: float


class WebhookCalls(Struct, frozen=True, kw_only=True):
    """A webhook and its latest calls, newest first. A silenced one has answered 410 and is called no more."""

    webhook: str
    webhook_events_filter: list[str]
    silenced: bool
    results: list[WebhookCall]


class Webhooks:
    """The webhooks of one gateway's predictions. Every call may raise GatewayUnreachable or GatewayRefused.

    What is no id at all raises PredictionNotFound.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(self, prediction_id: str) -> WebhookCalls:
        """The latest calls for a prediction."""
        return finish(self._caller.call(Request(method="GET", path=_path(prediction_id)), WebhookCalls))

    def secret(self) -> str:
        """The secret by which they are signed, `whsec_…`: what `received` needs."""
        return finish(self._caller.call(Request(method="GET", path="/v1/webhooks/default/secret"), _Secret)).key

    def redeliver(self, prediction_id: str) -> str:
        """Have the webhook called with the prediction as it is now; the id of the webhook that says so."""
        request = Request(method="POST", path=_path(prediction_id) + "/redeliver", repeatable=False)
        return finish(self._caller.call(request, _Demanded)).webhook_id


class _Secret(Struct):
    key: str


class _Demanded(Struct):
    webhook_id: str


def _path(prediction_id: str) -> str:
    if not PREDICTION_ID.fullmatch(prediction_id):
        raise PredictionNotFound(prediction_id=prediction_id)
    return f"/v1/predictions/{prediction_id}/webhooks"
