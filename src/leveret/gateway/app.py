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
from leveret.core.ports import Blobs, Broker, Files, Letters, Predictions, Registry, Secrets
from leveret.errors import UpgradeRequired
from leveret.gateway.account import account, hardware
from leveret.gateway.admin.letters import LetterPages
from leveret.gateway.admin.queues import QueuePages
from leveret.gateway.asyncapi import SocketDocument
from leveret.gateway.catalog import Catalog
from leveret.gateway.confirmations import Confirmations, Outbox
from leveret.gateway.deployments import Deployments
from leveret.gateway.files.downloads import Downloads
from leveret.gateway.files.inputs import FileInputs
from leveret.gateway.files.links import Links
from leveret.gateway.files.pages import FilePages
from leveret.gateway.health import Health
from leveret.gateway.models import ModelPages
from leveret.gateway.openapi import Document
from leveret.gateway.predictions import PredictionPages
from leveret.gateway.problems import HANDLERS
from leveret.gateway.retries import Retries
from leveret.gateway.socket.connection import Sockets
from leveret.gateway.socket.operations import Operations
from leveret.gateway.streams import Streams
from leveret.gateway.submit import Intake, Submit
from leveret.gateway.views import Views
from leveret.gateway.waits import Waits


class GatewayStore(Predictions, Registry, Letters, Files, Secrets, Outbox, Protocol):
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
    parts = _Parts.of(store=store, blobs=blobs, settings=settings)
    background = _Background(parts.catalog, parts.confirmations, parts.waits, closing or asyncio.Event())
    app = Starlette(
        routes=_routes(parts, store=store, broker=broker, blobs=blobs, settings=settings),
        exception_handlers=HANDLERS,
        lifespan=background.lifespan,
    )
    app.router.redirect_slashes = False  # official clients do not follow redirects
    return app


class _Parts(Struct, frozen=True):
    """What several endpoints share."""

    catalog: Catalog
    confirmations: Confirmations
    links: Links
    views: Views
    waits: Waits

    @classmethod
    def of(cls, *, store: GatewayStore, blobs: Blobs, settings: GatewaySettings) -> _Parts:
        links = Links(secrets=store, lifetime=settings.url_lifetime)
        views = Views(blobs=blobs, links=links, base_url=settings.base_url)
        return cls(Catalog(registry=store), Confirmations(outbox=store), links, views, Waits())


def _routes(
    parts: _Parts, *, store: GatewayStore, broker: Broker, blobs: Blobs, settings: GatewaySettings
) -> list[BaseRoute]:
    catalog, links, views, waits = parts.catalog, parts.links, parts.views, parts.waits
    intake = Intake(
        store=store,
        broker=broker,
        blobs=blobs,
        confirmations=parts.confirmations,
        inline_limit=settings.inline_limit,
    )
    submit = Submit(
        catalog=catalog,
        intake=intake,
        file_inputs=FileInputs(files=store, links=links),
        store=store,
        views=views,
        waits=waits,
        settings=settings,
    )
    predictions = PredictionPages(store=store, broker=broker, views=views, waits=waits, settings=settings)
    retries = Retries(catalog=catalog, intake=intake, store=store, views=views)
    streams = Streams(store=store, blobs=blobs, views=views, links=links, waits=waits, keep_alive=settings.keep_alive)
    files = FilePages(files=store, blobs=blobs, links=links, views=views, largest=settings.max_upload)
    sockets = Sockets(
        operations=Operations(catalog=catalog, submit=submit, predictions=predictions, views=views),
        store=store,
        views=views,
        links=links,
        waits=waits,
        max_watches=settings.max_watches,
    )
    return [  # the first that fits is taken, so the busiest come first
        *_prediction_routes(submit, predictions, retries, streams),
        *_socket_routes(sockets, SocketDocument(views=views)),
        *_other_routes(catalog=catalog, broker=broker, views=views),
        *_file_routes(files, Downloads(files=store, blobs=blobs, links=links)),
        *_admin_routes(store=store, broker=broker, intake=intake, views=views),
    ]


def _prediction_routes(submit: Submit, predictions: PredictionPages, retries: Retries, streams: Streams) -> list[Route]:
    return [
        Route("/v1/predictions/{prediction_id}", predictions.get),
        Route("/v1/models/{owner}/{name}/predictions", submit.to_model, methods=["POST"]),
        Route("/v1/predictions", submit.to_version, methods=["POST"]),
        Route("/v1/deployments/{owner}/{name}/predictions", submit.to_model, methods=["POST"]),
        Route("/v1/predictions/{prediction_id}/events", streams.events),
        Route("/v1/streams/{prediction_id}", streams.outputs),
        Route("/v1/predictions/{prediction_id}/cancel", predictions.cancel, methods=["POST"]),
        Route("/v1/predictions/{prediction_id}/retry", retries.retry, methods=["POST"]),
        Route("/v1/predictions", predictions.list),
    ]


def _socket_routes(sockets: Sockets, document: SocketDocument) -> list[BaseRoute]:
    return [
        WebSocketRoute("/v1/socket", sockets.open),
        Route("/v1/socket", _no_upgrade),
        Route("/asyncapi.json", document.get),
    ]


def _other_routes(*, catalog: Catalog, broker: Broker, views: Views) -> list[Route]:
    models = ModelPages(catalog=catalog, views=views)
    deployments = Deployments(catalog=catalog)
    health = Health(broker=broker, catalog=catalog)
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


def _file_routes(files: FilePages, downloads: Downloads) -> list[Route]:
    return [
        Route("/v1/files/{file_id}/download", downloads.get),
        Route("/v1/files/{file_id}", files.get),
        Route("/v1/files/{file_id}", files.delete, methods=["DELETE"]),
        Route("/v1/files", files.list),
        Route("/v1/files", files.create, methods=["POST"]),
    ]


def _admin_routes(*, store: GatewayStore, broker: Broker, intake: Intake, views: Views) -> list[Route]:
    letters = LetterPages(store=store, intake=intake, views=views)
    queues = QueuePages(broker=broker, registry=store)
    return [
        Route("/admin/v1/queues", queues.list),
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
    confirmations: Confirmations
    waits: Waits
    closing: asyncio.Event

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            loops = [self.catalog.run(), self.confirmations.run(), self._close()]
            tasks = [group.create_task(loop) for loop in loops]
            yield
            for task in tasks:
                task.cancel()

    async def _close(self) -> None:
        await self.closing.wait()
        self.waits.close()
