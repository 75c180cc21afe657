"""Webhooks: the calls that were made for a prediction, one more on demand, and the secret by which calls are signed."""

from __future__ import annotations

import os
import time
from typing import Final, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from leveret.core import webhooks
from leveret.core.hooks import Errands, Hooks
from leveret.core.prediction import Prediction, Webhook, new_id
from leveret.core.signature import SECRET_SIZE, new_secret
from leveret.core.webhooks import Again
from leveret.errors import WebhookNotFound
from leveret.gateway.account import of
from leveret.gateway.identity import own
from leveret.gateway.predictions import prediction_id
from leveret.gateway.webhooks.views import CallPage, Demanded, SecretView, view

_encoder: Final = msgspec.json.Encoder()


class HookedStore(Hooks, Protocol):
    """What this needs of the store."""

    async def get(self, prediction_id: str) -> Prediction:
        """See core.ports.Predictions."""
        ...


class WebhookPages:
    """The endpoints of webhooks."""

    def __init__(self, *, store: HookedStore, errands: Errands) -> None:
        self._store = store
        self._errands = errands

    async def list(self, request: Request) -> Response:
        """The calls of a prediction's webhook."""
        prediction, webhook = await self._hooked(request)
        news, calls = await self._store.news(prediction.id), await self._store.calls(prediction.id)
        page = CallPage(
            webhook=webhook.url,
            webhook_events_filter=webhook.events,
            silenced=news is not None and news.silenced,
            results=[view(call) for call in calls],
        )
        return Response(_encoder.encode(page), media_type="application/json")

    async def redeliver(self, request: Request) -> Response:
        """Have the webhook called with the prediction as it is now; a 410 in the past does not count."""
        prediction, _ = await self._hooked(request)
        webhook_id = f"msg_{new_id(time.time(), os.urandom(10))}"
        again = Again(webhooks.demanded(prediction, webhook_id), demanded=True)
        await self._errands.send(webhooks.encode(again))
        return Response(_encoder.encode(Demanded(webhook_id)), 202, media_type="application/json")

    async def secret(self, request: Request) -> Response:
        """The secret of the account."""
        secret = await self._store.hook_secret(of(request), fresh=new_secret(os.urandom(SECRET_SIZE)))
        return Response(_encoder.encode(SecretView(secret)), media_type="application/json")

    async def _hooked(self, request: Request) -> tuple[Prediction, Webhook]:
        prediction = own(request, await self._store.get(prediction_id(request)))
        if prediction.webhook is None:
            raise WebhookNotFound(prediction_id=prediction.id)
        return prediction, prediction.webhook
