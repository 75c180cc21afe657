"""The application: the gateway's parts put together and every endpoint's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from leveret.config import GatewaySettings
from leveret.core.ports import Blobs, Broker, Letters, Lines, Predictions, Registry
from leveret.errors import UpgradeRequired
from leveret.gateway.account import account, hardware
from leveret.gateway.admin.letters import LetterPages
from leveret.gateway.asyncapi import SocketDocument
from leveret.gateway.catalog import Catalog
from leveret.gateway.confirmations import Confirmations, Outbox
from leveret.gateway.deployments import Deployments
from leveret.gateway.health import Health
from leveret.gateway.models import ModelPages
from leveret.gateway.openapi import Document
from leveret.gateway.predictions import PredictionPages
from leveret.gateway.problems import HANDLERS
from leveret.gateway.queues import Queues
from leveret.gateway.socket.connection import Sockets
from leveret.gateway.socket.operations import Operations
from leveret.gateway.streams import Streams
from leveret.gateway.submit import Intake, Submit
from leveret.gateway.views import Views
from leveret.gateway.waits import Waits


class GatewayStore(Predictions, Registry, Letters, Lines, Outbox, Protocol):
    """What the gateway needs of the store."""


def create_app(
    *,
    store: GatewayStore,
    broker: Broker,
    blobs: Blobs,
    settings: GatewaySettings,
    closing: asyncio.Event | None = None,
) -> Starlette:
    """The gateway as an ASGI application; serve it with its lifespan.

    Set `closing` before the server is stopped: it ends what would keep connections open, waits and streams.
    """
    catalog = Catalog(registry=store)
    confirmations = Confirmations(outbox=store)
    queues = Queues(lines=store, catalog=catalog)
    views = Views(blobs=blobs, base_url=settings.base_url, queues=queues)
    waits = Waits()
    intake = Intake(
        store=store, broker=broker, blobs=blobs, confirmations=confirmations, inline_limit=settings.inline_limit
    )
    submit = Submit(catalog=catalog, intake=intake, store=store, views=views, waits=waits, settings=settings)
    predictions = PredictionPages(store=store, broker=broker, views=views)
    operations = Operations(catalog=catalog, submit=submit, predictions=predictions, views=views)
    streams = Streams(store=store, blobs=blobs, waits=waits, keep_alive=settings.keep_alive)
    sockets = Sockets(operations=operations, store=store, views=views, waits=waits, max_watches=settings.max_watches)
    app = Starlette(
        routes=[  # the first that fits is taken, so the busiest come first
            *_prediction_routes(submit, predictions, streams),
            *_socket_routes(sockets, SocketDocument(views=views)),
            *_other_routes(catalog, views, Health(broker=broker, catalog=catalog)),
            *_admin_routes(LetterPages(store=store, intake=intake, views=views)),
        ],
        exception_handlers=HANDLERS,
        lifespan=_Background(catalog, queues, confirmations, waits, closing or asyncio.Event()).lifespan,
    )
    app.router.redirect_slashes = False  # official clients do not follow redirects
    return app


def _prediction_routes(submit: Submit, predictions: PredictionPages, streams: Streams) -> list[Route]:
    return [
        Route("/v1/predictions/{prediction_id}", predictions.get),
        Route("/v1/models/{owner}/{name}/predictions", submit.to_model, methods=["POST"]),
        Route("/v1/predictions", submit.to_version, methods=["POST"]),
        Route("/v1/deployments/{owner}/{name}/predictions", submit.to_model, methods=["POST"]),
        Route("/v1/predictions/{prediction_id}/events", streams.events),
        Route("/v1/streams/{prediction_id}", streams.outputs),
        Route("/v1/predictions/{prediction_id}/cancel", predictions.cancel, methods=["POST"]),
        Route("/v1/predictions", predictions.list),
    ]


def _socket_routes(sockets: Sockets, document: SocketDocument) -> list[BaseRoute]:
    return [
        WebSocketRoute("/v1/socket", sockets.open),
        Route("/v1/socket", _no_upgrade),
        Route("/asyncapi.json", document.get),
    ]


def _other_routes(catalog: Catalog, views: Views, health: Health) -> list[Route]:
    models = ModelPages(catalog=catalog, views=views)
    deployments = Deployments(catalog=catalog)
    return [
        Route("/v1/models/{owner}/{name}", models.get),
        Route("/v1/models/{owner}/{name}/versions", models.versions),
        Route("/v1/models/{owner}/{name}/versions/{version}", models.version),
        Route("/v1/models", models.list),
        Route("/v1/models", models.search, methods=["QUERY"]),
        Route("/v1/deployments/{owner}/{name}", deployments.get),
        Route("/v1/deployments", deployments.list),
        Route("/v1/account", account),
        Route("/v1/hardware", hardware),
        Route("/health/live", health.live),
        Route("/health/ready", health.ready),
        Route("/openapi.json", Document(catalog=catalog, views=views).get),
    ]


def _admin_routes(letters: LetterPages) -> list[Route]:
    return [
        Route("/admin/v1/dead", letters.list),
        Route("/admin/v1/dead", letters.purge_all, methods=["DELETE"]),
        Route("/admin/v1/dead/retry", letters.retry_all, methods=["POST"]),
        Route("/admin/v1/dead/{letter_id}", letters.get),
        Route("/admin/v1/dead/{letter_id}", letters.purge, methods=["DELETE"]),
        Route("/admin/v1/dead/{letter_id}/retry", letters.retry, methods=["POST"]),
    ]


async def _no_upgrade(request: Request) -> Response:
    raise UpgradeRequired(path=request.url.path)


class _Background(Struct, frozen=True):
    """What goes on beside the requests, from the start of the server to its end."""

    catalog: Catalog
    queues: Queues
    confirmations: Confirmations
    waits: Waits
    closing: asyncio.Event

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            loops = [self.catalog.run(), self.queues.run(), self.confirmations.run(), self._close()]
            tasks = [group.create_task(loop) for loop in loops]
            yield
            for task in tasks:
                task.cancel()

    async def _close(self) -> None:
        await self.closing.wait()
        self.waits.close()
