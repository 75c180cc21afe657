"""The webhooks of predictions, as a gateway serves them."""

from __future__ import annotations

from msgspec import Struct

from leveret.client.caller import Caller
from leveret.client.exchange import Request, finish
from leveret.core.prediction import PREDICTION_ID
from leveret.errors import PredictionNotFound


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

    def redeliver(self, prediction_id: str) -> str:
        """Have the webhook called with the prediction as it is now; the id of the webhook that says so."""
        request = Request(method="POST", path=_path(prediction_id) + "/redeliver", repeatable=False)
        return finish(self._caller.call(request, _Demanded)).webhook_id


class _Demanded(Struct):
    webhook_id: str


def _path(prediction_id: str) -> str:
    if not PREDICTION_ID.fullmatch(prediction_id):
        raise PredictionNotFound(prediction_id=prediction_id)
    return f"/v1/predictions/{prediction_id}/webhooks"
