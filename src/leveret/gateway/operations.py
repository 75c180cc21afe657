"""Operations: every endpoint of the gateway, as OpenAPI describes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

from msgspec import Struct

from leveret.core.prediction import Status
from leveret.gateway import streams
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
            described["requestBody"] = {"required": True, "content": {JSON: {"schema": self.body}}}
        return described


def reference(name: str) -> Schema:
    """A reference to the schema of this name."""
    return {"$ref": REFERENCE + name}


def submission(given: Schema, **more: Schema) -> Schema:
    """The body that creates a prediction with this input; members that are unknown are ignored."""
    properties: Schema = {"input": given, **more}
    return {"type": "object", "properties": properties, "required": list(properties)}


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


def _parameter(place: str, name: str, description: str, kind: Schema) -> Schema:
    required = place == "path"
    return {"name": name, "in": place, "description": description, "required": required, "schema": kind}


_PROBLEM: Final[Schema] = {"$ref": "#/components/responses/Problem"}
_TEXT: Final[Schema] = {"type": "string"}
_NUMBER: Final[Schema] = {"type": "integer", "minimum": 0}

PARAMETERS: Final[Schema] = {
    "id": _parameter("path", "prediction_id", "the id that the creation answered", _TEXT),
    "owner": _parameter("path", "owner", "the part of the model's name before the slash", _TEXT),
    "name": _parameter("path", "name", "the part of the model's name behind the slash", _TEXT),
    "prefer": _parameter("header", "Prefer", "`wait` or `wait=SECONDS` answers when the result is there", _TEXT),
    "cursor": _parameter("query", "cursor", "where the page begins, as the one before it says in `next`", _TEXT),
    "status": _parameter("query", "status", "only predictions in this state", {"enum": [*Status]}),
    "model": _parameter("query", "model", "only predictions of this model, `owner/name`", _TEXT),
    "dead_model": _parameter("query", "model", "only dead letters of this model, `owner/name`", _TEXT),
    "letter_id": _parameter("path", "letter_id", "the id of a dead letter", _TEXT),
    "after": _parameter("query", "after", "number of the last entry that is known", _NUMBER),
    "last_event_id": _parameter("header", "Last-Event-ID", "the same, as browsers send it; goes first", _TEXT),
}
"""The parameters that operations name."""

OPERATIONS: Final = (
    Operation(
        method="post",
        path="/v1/models/{owner}/{name}/predictions",
        name="createForModel",
        summary="Run a model",
        parameters=("owner", "name", "prefer"),
        body=submission({"type": "object"}),
        answers=created(reference("Prediction")),
    ),
    Operation(
        method="post",
        path="/v1/predictions",
        name="createForVersion",
        summary="Run a model that the body names",
        description="`version` is `owner/name`, `owner/name:version` or a version's id.",
        parameters=("prefer",),
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
        parameters=("id",),
        answers={200: reference("Prediction")},
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
        method="post",
        path="/v1/predictions/{prediction_id}/cancel",
        name="cancelPrediction",
        summary="Cancel a prediction",
        description="What waits has ended with the answer. What runs is stopped, and ends as soon as it has been.",
        parameters=("id",),
        answers={200: reference("Prediction")},
    ),
    Operation(
        method="get",
        path="/v1/models",
        name="listModels",
        summary="All models",
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
        path="/openapi.json",
        name="getDocument",
        summary="This document",
        tag="health",
        answers={200: ANYTHING},
    ),
)
"""The endpoints, apart from those of single models and of the admin API."""
