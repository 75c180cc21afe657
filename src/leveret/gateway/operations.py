"""Operations: every endpoint of the gateway, as OpenAPI describes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

from msgspec import Struct

from leveret.core.prediction import HookEvent, Priority
from leveret.gateway import streams
from leveret.gateway.retention import PATTERN, SHORTEST
from leveret.gateway.schemas import REFERENCE, Schema

JSON: Final = "application/json"

ANYTHING: Final[Schema] = {}


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path. `answers` has the schema of what each status is answered with, if anything."""

    method: str
    path: str
    name: str
    summary: str
    description: str = ""
    tag: str = "predictions"
    parameters: tuple[str, ...] = ()
    body: Schema | None = None
    sent_as: str = JSON
    answers: Mapping[int, Schema | None]
    media: str = JSON

    def described(self) -> Schema:
        """The operation object of OpenAPI."""
        answers = {str(status): _answer(status, schema, self.media) for status, schema in self.answers.items()}
        described: Schema = {
            "operationId": self.name,
            "summary": self.summary,
            "description": self.description,
            "tags": [self.tag],
            "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in self.parameters],
            "responses": {**answers, "4XX": _PROBLEM, "5XX": _PROBLEM},
        }
        if self.body is not None:
            described["requestBody"] = {"required": True, "content": {self.sent_as: {"schema": self.body}}}
        return described


def reference(name: str) -> Schema:
    """A reference to the schema of this name."""
    return {"$ref": REFERENCE + name}


def submission(given: Schema, **more: Schema) -> Schema:
    """The body that creates a prediction with this input; members that are unknown are ignored."""
    required: Schema = {"input": given, **more}
    optional: Schema = {"priority": _PRIORITY, "retention": _RETENTION, "reuse": _REUSE, **_HOOK}
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


def created(prediction: Schema) -> Mapping[int, Schema]:
    """What a create is answered with: 202 while the broker has not confirmed it."""
    return {201: prediction, 202: prediction}


def paths(operations: Iterable[Operation]) -> Schema:
    """The operations by path and method."""
    found: dict[str, Schema] = {}
    for operation in operations:
        found.setdefault(operation.path, {})[operation.method] = operation.described()
    return {**found}


def _answer(status: int, schema: Schema | None, media: str) -> Schema:
    answer: Schema = {"description": HTTPStatus(status).phrase}
    if schema is not None:
        answer["content"] = {media: {"schema": schema}}
    return answer


_PROBLEM: Final[Schema] = {"$ref": "#/components/responses/Problem"}
_TEXT: Final[Schema] = {"type": "string"}
_PRIORITY: Final[Schema] = {"enum": [*Priority], "default": Priority.NORMAL}
_REUSE: Final[Schema] = {
    "description": "false: the model is run, even if it reuses outputs and has had this input lately",
    "type": "boolean",
    "default": True,
}
_RETENTION: Final[Schema] = {
    "description": "for how long after its end its data stays: seconds, or a text such as 1h, 30m or 1d12h",
    "anyOf": [{"type": "number", "minimum": SHORTEST}, {"type": "string", "minLength": 1, "pattern": PATTERN}],
}
_HOOK: Final[Schema] = {
    "webhook": {"type": "string", "format": "uri", "description": "an https URL that is told what happens to it"},
    "webhook_events_filter": {
        "type": "array",
        "items": {"enum": [*HookEvent]},
        "default": [*HookEvent],
        "description": "of which events that is told",
    },
}

OPERATIONS: Final = (
    Operation(
        method="post",
        path="/v1/models/{owner}/{name}/predictions",
        name="createForModel",
        summary="Run a model",
        parameters=("owner", "name", "prefer", "cancel_after", "idempotency_key"),
        body=submission({"type": "object"}),
        answers=created(reference("Prediction")),
    ),
    Operation(
        method="post",
        path="/v1/predictions",
        name="createForVersion",
        summary="Run a model that the body names",
        description="`version` is `owner/name`, `owner/name:version` or a version's id.",
        parameters=("prefer", "cancel_after", "idempotency_key"),
        body=submission({"type": "object"}, version=_TEXT),
        answers=created(reference("Prediction")),
    ),
    Operation(
        method="get",
        path="/v1/predictions",
        name="listPredictions",
        summary="All predictions, newest first",
        parameters=("cursor", "status", "model"),
        answers={200: reference("PredictionPage")},
    ),
    Operation(
        method="get",
        path="/v1/predictions/{prediction_id}",
        name="getPrediction",
        summary="One prediction",
        description="With `Prefer: wait` it is answered as soon as it has ended, or as it is when the time is up.",
        parameters=("id", "prefer"),
        answers={200: reference("Prediction")},
    ),
    Operation(
        method="delete",
        path="/v1/predictions/{prediction_id}",
        name="deletePrediction",
        summary="Delete a prediction",
        description="At once and for good, with its input, output, logs, events and dead letter. It must have ended.",
        parameters=("id",),
        answers={204: None},
    ),
    Operation(
        method="get",
        path="/v1/predictions/{prediction_id}/events",
        name="followPrediction",
        summary="The log of a prediction as server-sent events",
        description="The `id` of an event is its number, `event` its kind. 204: there will never be another.",
        parameters=("id", "after", "last_event_id"),
        answers={200: ANYTHING, 204: None},
        media=streams.MEDIA_TYPE,
    ),
    Operation(
        method="get",
        path="/v1/streams/{prediction_id}",
        name="streamPrediction",
        summary="The output and logs of a prediction as server-sent events",
        description="Only the kinds of event that Replicate's clients know: `output`, `logs`, `error`, `done`.",
        parameters=("id", "last_event_id"),
        answers={200: ANYTHING},
        media=streams.MEDIA_TYPE,
    ),
    Operation(
        method="post",
        path="/v1/predictions/{prediction_id}/cancel",
        name="cancelPrediction",
        summary="Cancel a prediction",
        description="What waits has ended with the answer. What runs is stopped, and ends as soon as it has been.",
        parameters=("id",),
        answers={200: reference("Prediction")},
    ),
    Operation(
        method="post",
        path="/v1/predictions/{prediction_id}/retry",
        name="retryPrediction",
        summary="Run what has ended again",
        description="Answers a new prediction with the same input, on what its model is now. 409: it has not ended.",
        parameters=("id",),
        answers=created(reference("Prediction")),
    ),
    Operation(
        method="get",
        path="/v1/socket",
        name="openSocket",
        summary="Submit, watch and cancel predictions on one connection",
        description="A WebSocket; /asyncapi.json describes what is said on it.",
        answers={101: None},
    ),
    Operation(
        method="get",
        path="/v1/models",
        name="listModels",
        summary="All models",
        description="With the method QUERY and some words as the body: those in which all of the words stand.",
        tag="models",
        answers={200: reference("ModelPage")},
    ),
    Operation(
        method="get",
        path="/v1/models/{owner}/{name}",
        name="getModel",
        summary="One model",
        tag="models",
        parameters=("owner", "name"),
        answers={200: reference("Model")},
    ),
    Operation(
        method="get",
        path="/v1/models/{owner}/{name}/versions",
        name="listVersions",
        summary="The versions of a model: the one that is served",
        tag="models",
        parameters=("owner", "name"),
        answers={200: reference("VersionPage")},
    ),
    Operation(
        method="get",
        path="/v1/models/{owner}/{name}/versions/{version}",
        name="getVersion",
        summary="One version of a model",
        tag="models",
        parameters=("owner", "name", "version"),
        answers={200: reference("Version")},
    ),
    Operation(
        method="get",
        path="/v1/deployments",
        name="listDeployments",
        summary="All models, as deployments",
        tag="deployments",
        answers={200: reference("DeploymentPage")},
    ),
    Operation(
        method="get",
        path="/v1/deployments/{owner}/{name}",
        name="getDeployment",
        summary="One model, as a deployment",
        tag="deployments",
        parameters=("owner", "name"),
        answers={200: reference("Deployment")},
    ),
    Operation(
        method="post",
        path="/v1/deployments/{owner}/{name}/predictions",
        name="createForDeployment",
        summary="Run a model, as a deployment",
        tag="deployments",
        parameters=("owner", "name", "prefer", "cancel_after", "idempotency_key"),
        body=submission({"type": "object"}),
        answers=created(reference("Prediction")),
    ),
    Operation(
        method="get",
        path="/v1/account",
        name="getAccount",
        summary="Who asks",
        tag="account",
        answers={200: reference("Account")},
    ),
    Operation(
        method="get",
        path="/v1/hardware",
        name="listHardware",
        summary="On what models run",
        tag="account",
        answers={200: {"type": "array", "items": reference("Hardware")}},
    ),
    Operation(
        method="get",
        path="/health/live",
        name="isLive",
        summary="Whether the process lives",
        tag="health",
        answers={200: ANYTHING},
    ),
    Operation(
        method="get",
        path="/health/ready",
        name="isReady",
        summary="Whether it can accept predictions, or what is wrong",
        tag="health",
        answers={200: ANYTHING},
    ),
    Operation(
        method="get",
        path="/metrics",
        name="getMetrics",
        summary="What it has counted, in the text format of Prometheus",
        tag="health",
        answers={200: _TEXT},
        media="text/plain",
    ),
    Operation(
        method="get",
        path="/openapi.json",
        name="getDocument",
        summary="This document",
        tag="health",
        answers={200: ANYTHING},
    ),
    Operation(
        method="get",
        path="/asyncapi.json",
        name="getSocketDocument",
        summary="The AsyncAPI document of the socket, and of the messages in the queues",
        tag="health",
        answers={200: ANYTHING},
    ),
)
"""The endpoints, apart from those of single models, of webhooks and of the admin API."""
