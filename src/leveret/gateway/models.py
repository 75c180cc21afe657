"""Models: what is served here, each with its schemas in the form that Replicate's clients read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct
from starlette.requests import Request
from starlette.responses import Response

from leveret.core.card import Card
from leveret.gateway import body
from leveret.gateway.catalog import Catalog, Served
from leveret.gateway.schemas import components, unrolled
from leveret.gateway.views import Views, moment

_COG_VERSION: Final = "0.16.0"
"""Older official clients refuse schemas of a Cog before 0.3.9; this is the one whose form these have."""

_LONGEST_SEARCH: Final = 10_000
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


class VersionPage(Struct, frozen=True):
    """The versions of a model: the one that is served."""

    next: str | None
    previous: str | None
    results: list[VersionView]


class ModelPages:
    """The endpoints of models and their versions."""

    def __init__(self, *, catalog: Catalog, views: Views) -> None:
        self._catalog = catalog
        self._views = views

    async def get(self, request: Request) -> Response:
        """One model."""
        served = await self._catalog.model("{owner}/{name}".format_map(request.path_params))
        return _json(_view(served, self._views.base(request)))

    async def list(self, request: Request) -> Response:
        """All models."""
        return self._page(request, await self._catalog.models())

    async def search(self, request: Request) -> Response:
        """The models in whose name or description every word of the body stands (the method QUERY)."""
        text = (await body.read(request, limit=_LONGEST_SEARCH)).decode(errors="replace")
        words = text.strip().strip('"').casefold().split()  # one official client sends it as JSON
        found = [served for served in await self._catalog.models() if _mentions(served.card, words)]
        return self._page(request, found)

    async def versions(self, request: Request) -> Response:
        """The versions of one model."""
        served = await self._catalog.model("{owner}/{name}".format_map(request.path_params))
        return _json(VersionPage(next=None, previous=None, results=[_version(served.card)]))

    async def version(self, request: Request) -> Response:
        """One version of one model."""
        served = await self._catalog.version("{owner}/{name}:{version}".format_map(request.path_params))
        return _json(_version(served.card))

    def _page(self, request: Request, found: Sequence[Served]) -> Response:
        base = self._views.base(request)
        return _json(ModelPage(next=None, previous=None, results=[_view(served, base) for served in found]))


def _json(content: ModelView | ModelPage | VersionView | VersionPage) -> Response:
    return Response(_encoder.encode(content), media_type="application/json")


def _mentions(card: Card, words: Sequence[str]) -> bool:
    text = f"{card.model} {card.description}".casefold()
    return all(word in text for word in words)


def _view(served: Served, base: str) -> ModelView:
    card = served.card
    owner, _, name = card.model.partition("/")
    return ModelView(
        url=f"{base}/v1/models/{card.model}",
        owner=owner,
        name=name,
        description=card.description,
        latest_version=_version(card),
        workers=served.workers,
        problem=served.problem,
    )


def _version(card: Card) -> VersionView:
    return VersionView(
        id=card.version,
        created_at=moment(card.announced_at),
        cog_version=_COG_VERSION,
        openapi_schema=_openapi(card),
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
