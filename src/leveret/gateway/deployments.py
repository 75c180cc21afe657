"""Deployments: each model that is served is also a deployment of that name, for clients that ask for one."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from leveret.core.card import Card
from leveret.gateway.account import HARDWARE, LOCAL, AccountView
from leveret.gateway.catalog import Catalog
from leveret.gateway.views import moment

_encoder: Final = msgspec.json.Encoder()


class Configuration(Struct, frozen=True):
    """On what it runs, and how many workers of it are alive."""

    hardware: str
    min_instances: int
    max_instances: int


class Release(Struct, frozen=True, kw_only=True):
    """What is deployed now."""

    number: int = 1
    model: str
    version: str
    created_at: str
    created_by: AccountView
    configuration: Configuration


class DeploymentView(Struct, frozen=True):
    """A model as a deployment."""

    owner: str
    name: str
    current_release: Release


class DeploymentPage(Struct, frozen=True):
    """All deployments, by name, on one page."""

    next: str | None
    previous: str | None
    results: list[DeploymentView]


class Deployments:
    """The endpoints of deployments; that which creates a prediction is the model's."""

    def __init__(self, *, catalog: Catalog) -> None:
        self._catalog = catalog

    async def get(self, request: Request) -> Response:
        """One deployment."""
        served = await self._catalog.model("{owner}/{name}".format_map(request.path_params))
        return _json(_view(served.card, served.workers))

    async def list(self, _request: Request) -> Response:
        """All deployments."""
        results = [_view(served.card, served.workers) for served in await self._catalog.models()]
        return _json(DeploymentPage(next=None, previous=None, results=results))


def _view(card: Card, workers: int) -> DeploymentView:
    owner, _, name = card.model.partition("/")
    release = Release(
        model=card.model,
        version=card.version,
        created_at=moment(card.announced_at),
        created_by=LOCAL,
        configuration=Configuration(hardware=HARDWARE[0].sku, min_instances=workers, max_instances=workers),
    )
    return DeploymentView(owner=owner, name=name, current_release=release)


def _json(content: DeploymentView | DeploymentPage) -> Response:
    return Response(_encoder.encode(content), media_type="application/json")
