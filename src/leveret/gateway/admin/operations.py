"""Operations: the endpoints of the admin API, as OpenAPI describes them."""

from __future__ import annotations

from typing import Final

from leveret.core.keys import ACCOUNT
from leveret.gateway.admin.accounts import AccountLimits, AccountList
from leveret.gateway.admin.keys import KeyList, MadeKey
from leveret.gateway.admin.overview import OverviewView, WorkerList
from leveret.gateway.admin.queues import QueueList
from leveret.gateway.admin.scale import ScaleView
from leveret.gateway.admin.views import DeadLetterDetail, DeadLetterPage, Purged, Retried
from leveret.gateway.operations import Operation, created, reference
from leveret.gateway.schemas import Schema

SENT: Final = (
    AccountLimits,
    AccountList,
    KeyList,
    MadeKey,
    DeadLetterPage,
    DeadLetterDetail,
    Retried,
    Purged,
    QueueList,
    ScaleView,
    OverviewView,
    WorkerList,
)
"""What the admin API answers."""

_WANTED: Final[Schema] = {
    "type": "object",
    "properties": {
        "account": {"type": "string", "pattern": f"^({ACCOUNT.pattern})$", "default": "local"},
        "scopes": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "description": "read, predict, metrics, admin or worker:owner/name"},
        },
        "name": {"type": "string"},
        "expires_in": {
            "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}],
            "description": "seconds",
        },
    },
    "required": ["scopes"],
}

_ALLOWANCE: Final[Schema] = {
    "type": "object",
    "properties": {
        "rate": {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1e6}, {"type": "null"}]},
        "burst": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 1_000_000}, {"type": "null"}]},
        "queued": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 1_000_000_000}, {"type": "null"}]},
        "running": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 1_000_000}, {"type": "null"}]},
    },
    "additionalProperties": False,
}

OPERATIONS: Final = (
    Operation(
        method="get",
        path="/admin/v1/accounts",
        name="listAccounts",
        summary="The accounts with limits of their own",
        tag="accounts",
        answers={200: reference("AccountList")},
    ),
    Operation(
        method="put",
        path="/admin/v1/accounts/{account}",
        name="limitAccount",
        summary="Say what an account may",
        description="What is left out, or null, is as the settings say; 0 is no limit.",
        tag="accounts",
        parameters=("account",),
        body=_ALLOWANCE,
        answers={200: reference("AccountLimits")},
    ),
    Operation(
        method="delete",
        path="/admin/v1/accounts/{account}",
        name="unlimitAccount",
        summary="Let an account do what the settings say",
        tag="accounts",
        parameters=("account",),
        answers={204: None},
    ),
    Operation(
        method="get",
        path="/admin/v1/keys",
        name="listKeys",
        summary="All API keys, oldest first",
        tag="keys",
        answers={200: reference("KeyList")},
    ),
    Operation(
        method="post",
        path="/admin/v1/keys",
        name="createKey",
        summary="Make an API key",
        description="`key` in the answer is shown this once.",
        tag="keys",
        body=_WANTED,
        answers={201: reference("MadeKey")},
    ),
    Operation(
        method="delete",
        path="/admin/v1/keys/{key_id}",
        name="revokeKey",
        summary="Revoke an API key",
        tag="keys",
        parameters=("key_id",),
        answers={204: None},
    ),
    Operation(
        method="get",
        path="/admin/v1/queues",
        name="listQueues",
        summary="For each model what waits, what runs, and how many workers are alive",
        tag="queues",
        answers={200: reference("QueueList")},
    ),
    Operation(
        method="get",
        path="/admin/v1/models/{owner}/{name}/scale",
        name="scaleModel",
        summary="How many workers a model wants",
        description="For what starts and stops workers. A key with the scope `metrics` may ask.",
        tag="queues",
        parameters=("owner", "name", "target_wait"),
        answers={200: reference("Scale")},
    ),
    Operation(
        method="get",
        path="/admin/v1/overview",
        name="getOverview",
        summary="How much there is to do and how fast it is done, now and in the last five minutes",
        description="With `model` the last minutes are those of this one alone.",
        tag="queues",
        parameters=("overview_model",),
        answers={200: reference("Overview")},
    ),
    Operation(
        method="get",
        path="/admin/v1/workers",
        name="listWorkers",
        summary="Every worker that is alive, and how much it runs",
        tag="queues",
        answers={200: reference("WorkerList")},
    ),
    Operation(
        method="get",
        path="/admin/v1/dead",
        name="listDeadLetters",
        summary="All dead letters, newest first",
        tag="dead letters",
        parameters=("cursor", "dead_model"),
        answers={200: reference("DeadLetterPage")},
    ),
    Operation(
        method="get",
        path="/admin/v1/dead/{letter_id}",
        name="getDeadLetter",
        summary="One dead letter, with everything in it",
        tag="dead letters",
        parameters=("letter_id",),
        answers={200: reference("DeadLetterDetail")},
    ),
    Operation(
        method="post",
        path="/admin/v1/dead/{letter_id}/retry",
        name="retryDeadLetter",
        summary="Run a dead letter again",
        description="Answers the new prediction; the dead letter is gone then. 409: it is no prediction.",
        tag="dead letters",
        parameters=("letter_id",),
        answers=created(reference("Prediction")),
    ),
    Operation(
        method="post",
        path="/admin/v1/dead/retry",
        name="retryDeadLetters",
        summary="Run the newest dead letters again",
        description="As many as stand on one page; `next` in the answer is where to POST for the older ones.",
        tag="dead letters",
        parameters=("cursor", "dead_model"),
        answers={200: reference("Retried")},
    ),
    Operation(
        method="delete",
        path="/admin/v1/dead/{letter_id}",
        name="purgeDeadLetter",
        summary="Throw a dead letter away",
        tag="dead letters",
        parameters=("letter_id",),
        answers={204: None},
    ),
    Operation(
        method="delete",
        path="/admin/v1/dead",
        name="purgeDeadLetters",
        summary="Throw all dead letters away",
        description="With `cursor`: only those that are older.",
        tag="dead letters",
        parameters=("cursor", "dead_model"),
        answers={200: reference("Purged")},
    ),
)
"""The endpoints under /admin/v1."""
