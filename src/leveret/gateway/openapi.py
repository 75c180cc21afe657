"""OpenAPI: this gateway described for machines, every served model with its own input and output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Final

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response

from leveret.gateway import problems
from leveret.gateway.account import AccountView, HardwareView
from leveret.gateway.admin import operations as admin
from leveret.gateway.catalog import Catalog, Served
from leveret.gateway.deployments import DeploymentPage, DeploymentView
from leveret.gateway.files import operations as files
from leveret.gateway.inputs import InputProblem
from leveret.gateway.models import ModelPage, ModelView, VersionPage, VersionView
from leveret.gateway.operations import (
    JSON,
    OPERATIONS,
    Operation,
    created,
    paths,
    reference,
    submission,
)
from leveret.gateway.parameters import PARAMETERS
from leveret.gateway.predictions import PredictionPage
from leveret.gateway.schemas import Schema, components, of_structs
from leveret.gateway.views import PredictionView, Views
from leveret.gateway.webhooks import operations as webhooks
from leveret.gateway.worker_api import operations as workers

_SENT: Final = (
    *(PredictionView, PredictionPage, ModelView, ModelPage, VersionView, VersionPage, DeploymentView, DeploymentPage),
    *(AccountView, HardwareView, problems.Problem, InputProblem, *files.SENT, *webhooks.SENT, *admin.SENT),
)
_encoder: Final = msgspec.json.Encoder()


class Document:
    """The endpoint /openapi.json. The document is made again when a model has changed, and not for another host."""

    def __init__(self, *, catalog: Catalog, views: Views) -> None:
        self._catalog = catalog
        self._views = views
        self._made_for: int | None = None
        self._members: dict[str, Raw] = {}

    async def get(self, request: Request) -> Response:
        """The OpenAPI 3.1 document."""
        served = await self._catalog.models()
        if self._made_for != self._catalog.revision:
            members = document(served, base_url="")
            self._members = {name: Raw(_encoder.encode(member)) for name, member in members.items()}
            self._made_for = self._catalog.revision
        own = {"servers": [{"url": self._views.base(request)}]}
        return Response(_encoder.encode({**self._members, **own}), media_type=JSON)


def document(served: Sequence[Served], *, base_url: str) -> Schema:
    """The whole document for these models."""
    names = _component_names(served)
    own = [_operation(one, names[one.card.model]) for one in served]
    problem: Schema = {problems.MEDIA_TYPE: {"schema": reference("Problem")}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Leveret", "version": version("leveret"), "description": "AI models behind a queue."},
        "servers": [{"url": base_url}],
        "paths": paths(
            [*own, *OPERATIONS, *files.OPERATIONS, *webhooks.OPERATIONS, *admin.OPERATIONS, *workers.OPERATIONS]
        ),
        "components": {
            "schemas": {**of_structs(_SENT), **_model_schemas(served, names)},
            "parameters": PARAMETERS,
            "responses": {"Problem": {"description": "What went wrong", "content": problem}},
        },
    }


def _operation(served: Served, name: str) -> Operation:
    """How to run this one model."""
    output: Schema = {"anyOf": [reference(f"{name}.Output"), {"type": "null"}]}
    prediction: Schema = {"allOf": [reference("Prediction"), {"properties": {"output": output}}]}
    return Operation(
        method="post",
        path=f"/v1/models/{served.card.model}/predictions",
        name=f"run.{name}",
        summary=f"Run {served.card.model}",
        description=served.card.description,
        tag=served.card.model,
        parameters=("prefer", "cancel_after", "idempotency_key"),
        body=submission(reference(f"{name}.Input")),
        answers=created(prediction),
    )


def _component_names(served: Sequence[Served]) -> Mapping[str, str]:
    """What each model's components begin with, no two alike: both `a.b/c` and `a/b.c` would be `a.b.c`."""
    names: dict[str, str] = {}
    for one in served:
        name = one.card.model.replace("/", ".")
        while name in names.values():
            name += "_"
        names[one.card.model] = name
    return names


def _model_schemas(served: Sequence[Served], names: Mapping[str, str]) -> Schema:
    roots: dict[str, Raw] = {}
    for one in served:
        roots[f"{names[one.card.model]}.Input"] = one.card.input_schema
        roots[f"{names[one.card.model]}.Output"] = one.card.output_schema
    return components(roots)
