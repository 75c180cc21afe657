"""The application: the gateway's parts put together and every endpoint's place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from msgspec import Struct
from starlette.applications import Starlette
from starlette.routing import Route

from leveret.config import GatewaySettings, OutboundSettings
from leveret.core.hooks import Hooks
from leveret.core.ports import Blobs, Letters, Predictions, Queues, Registry
from leveret.gateway.account import account, hardware
from leveret.gateway.admin.letters import LetterPages
from leveret.gateway.catalog import Catalog
from leveret.gateway.confirmations import Confirmations, Outbox
from leveret.gateway.deployments import Deployments
from leveret.gateway.health import Health
from leveret.gateway.models import ModelPages
from leveret.gateway.openapi import Document
from leveret.gateway.predictions import PredictionPages
from leveret.gateway.problems import HANDLERS
from leveret.gateway.streams import Streams
from leveret.gateway.submit import Intake, Submit
from leveret.gateway.views import Views
from leveret.gateway.waits import Waits
from leveret.gateway.webhooks.pages import WebhookPages
from leveret.outbound import Guard

PUBLIC: Final = Guard(OutboundSettings())
"""Lets everything through that is on the public internet."""


class GatewayStore(Predictions, Registry, Letters, Hooks, Outbox, Protocol):
    """What the gateway needs of the store."""


def create_app(
    *,
    store: GatewayStore,
    broker: Queues,
    blobs: Blobs,
    settings: GatewaySettings,
    guard: Guard = PUBLIC,
    closing: asyncio.Event | None = None,
) -> Starlette:
    """The gateway as an ASGI application; serve it with its lifespan.

    `guard` says which webhooks may be called. Set `closing` before the server is stopped: it ends what would keep
    connections open, waits and streams.
    """
    catalog = Catalog(registry=store)
    confirmations = Confirmations(outbox=store)
    views = Views(blobs=blobs, base_url=settings.base_url)
    waits = Waits()
    limit = settings.inline_limit
    intake = Intake(store=store, broker=broker, blobs=blobs, confirmations=confirmations, inline_limit=limit)
    submit = Submit(
        catalog=catalog, intake=intake, store=store, views=views, waits=waits, guard=guard, settings=settings
    )
    routes = [  # the first that fits is taken, so the busiest come first
        *_prediction_routes(
            submit,
            PredictionPages(store=store, broker=broker, views=views),
            Streams(store=store, blobs=blobs, waits=waits, keep_alive=settings.keep_alive),
        ),
        *_other_routes(
            ModelPages(catalog=catalog, views=views),
            Deployments(catalog=catalog),
            Health(broker=broker, catalog=catalog),
            Document(catalog=catalog, views=views),
        ),
        *_webhook_routes(WebhookPages(store=store, errands=broker)),
        *_admin_routes(LetterPages(store=store, intake=intake, views=views)),
    ]
    return _application(routes, _Background(catalog, confirmations, waits, closing or asyncio.Event()))


def _application(routes: Sequence[Route], background: _Background) -> Starlette:
    app = Starlette(routes=routes, exception_handlers=HANDLERS, lifespan=background.lifespan)
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


def _other_routes(models: ModelPages, deployments: Deployments, health: Health, document: Document) -> list[Route]:
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
        Route("/openapi.json", document.get),
    ]


def _webhook_routes(webhooks: WebhookPages) -> list[Route]:
    return [
        Route("/v1/predictions/{prediction_id}/webhooks", webhooks.list),
        Route("/v1/predictions/{prediction_id}/webhooks/redeliver", webhooks.redeliver, methods=["POST"]),
        Route("/v1/webhooks/default/secret", webhooks.secret),
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
