"""Models: what is served here, each with its schemas in the form that Replicate's clients read."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct
from starlette.requests import Request
from starlette.responses import Response

from leveret.core.card import Card
from leveret.gateway.catalog import Catalog, Served
from leveret.gateway.schemas import components, unrolled
from leveret.gateway.views import Views, moment

_COG_VERSION: Final = "0.16.0"
"""Older official clients refuse schemas of a Cog before 0.3.9; this is the one whose form these have."""

_encoder: Final = msgspec.json.Encoder()


class VersionView(Struct, frozen=True):
    """One version of a model; `openapi_schema` has its input and output as the components Input and Output."""

    id: str
    created_at: str
    cog_version: str
    openapi_schema: Raw


class ModelView(Struct, frozen=True, kw_only=True):
    """A model that is served here."""

    url: str
    owner: str
    name: str
    description: str
    visibility: str = "public"
    run_count: int = 0
    latest_version: VersionView
    workers: Annotated[int, Meta(description="how many workers are alive; without any, predictions wait")]
    problem: Annotated[str | None, Meta(description="why a worker cannot run it now; null if all can")]


class ModelPage(Struct, frozen=True):
    """All models, by name, on one page."""

    next: str | None
    previous: str | None
    results: list[ModelView]


class ModelPages:
    """The endpoints of models."""

    def __init__(self, *, catalog: Catalog, views: Views) -> None:
        self._catalog = catalog
        self._views = views

    async def get(self, request: Request) -> Response:
        """One model."""
        served = await self._catalog.model("{owner}/{name}".format_map(request.path_params))
        return _json(_view(served, self._views.base(request)))

    async def list(self, request: Request) -> Response:
        """All models."""
        base = self._views.base(request)
        results = [_view(served, base) for served in await self._catalog.models()]
        return _json(ModelPage(next=None, previous=None, results=results))


def _json(content: ModelView | ModelPage) -> Response:
    return Response(_encoder.encode(content), media_type="application/json")


def _view(served: Served, base: str) -> ModelView:
    card = served.card
    owner, _, name = card.model.partition("/")
    return ModelView(
        url=f"{base}/v1/models/{card.model}",
        owner=owner,
        name=name,
        description=card.description,
        latest_version=VersionView(
            id=card.version,
            created_at=moment(card.announced_at),
            cog_version=_COG_VERSION,
            openapi_schema=_openapi(card),
        ),
        workers=served.workers,
        problem=served.problem,
    )


def _openapi(card: Card) -> Raw:
    """The schemas of one model as a document of its own."""
    schemas = unrolled(components({"Input": card.input_schema, "Output": card.output_schema}))
    document = {
        "openapi": "3.1.0",
        "info": {"title": card.model, "version": card.version},
        "paths": {},
        "components": {"schemas": schemas},
    }
    return Raw(_encoder.encode(document))
