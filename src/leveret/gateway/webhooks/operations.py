"""Operations: the endpoints of webhooks, as OpenAPI describes them."""

from __future__ import annotations

from typing import Final

from leveret.gateway.operations import Operation, reference
from leveret.gateway.webhooks.views import CallPage, CallView, Demanded, SecretView

SENT: Final = (CallView, CallPage, Demanded, SecretView)
"""What these endpoints answer."""

OPERATIONS: Final = (
    Operation(
        method="get",
        path="/v1/predictions/{prediction_id}/webhooks",
        name="listWebhookCalls",
        summary="The latest calls of a prediction's webhook",
        tag="webhooks",
        parameters=("id",),
        answers={200: reference("CallPage")},
    ),
    Operation(
        method="post",
        path="/v1/predictions/{prediction_id}/webhooks/redeliver",
        name="redeliverWebhook",
        summary="Call a prediction's webhook with the prediction as it is now",
        description="Under a new `webhook-id`, even if the webhook has answered 410.",
        tag="webhooks",
        parameters=("id",),
        answers={202: reference("Demanded")},
    ),
    Operation(
        method="get",
        path="/v1/webhooks/default/secret",
        name="getWebhookSecret",
        summary="The secret by which the calls of webhooks are signed",
        tag="webhooks",
        answers={200: reference("Secret")},
    ),
)
"""The endpoints of webhooks."""
