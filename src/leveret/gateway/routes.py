"""The routes: every endpoint's place."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from leveret.core.worker_api import BLOBS, CALLS
from leveret.errors import UpgradeRequired
from leveret.gateway import dashboard, reference
from leveret.gateway.account import account, hardware
from leveret.gateway.admin.accounts import AccountPages
from leveret.gateway.admin.keys import KeyPages
from leveret.gateway.admin.letters import LetterPages
from leveret.gateway.admin.overview import OverviewPages
from leveret.gateway.admin.queues import QueuePages
from leveret.gateway.admin.scale import ScalePages
from leveret.gateway.asyncapi import SocketDocument
from leveret.gateway.deployments import Deployments
from leveret.gateway.files.downloads import Downloads
from leveret.gateway.files.inputs import FileInputs
from leveret.gateway.files.pages import FilePages
from leveret.gateway.health import Health
from leveret.gateway.models import ModelPages
from leveret.gateway.openapi import Document
from leveret.gateway.parts import Parts
from leveret.gateway.predictions import PredictionPages
from leveret.gateway.readings import Readings
from leveret.gateway.retries import Retries
from leveret.gateway.socket.connection import Sockets
from leveret.gateway.socket.operations import Operations
from leveret.gateway.streams import Streams
from leveret.gateway.submit import Submit
from leveret.gateway.webhooks.pages import WebhookPages
from leveret.gateway.worker_api.calls import WorkerCalls
from leveret.gateway.worker_api.cards import Cards
from leveret.gateway.worker_api.ownership import Ownership
from leveret.gateway.worker_api.values import LargeValues


def routes(parts: Parts) -> list[BaseRoute]:
    """All of them, the busiest first."""
    submit = Submit(
        catalog=parts.catalog,
        intake=parts.intake,
        file_inputs=FileInputs(files=parts.store, links=parts.links),
        store=parts.store,
        views=parts.views,
        waits=parts.waits,
        meter=parts.meter,
        guard=parts.guard,
        limiter=parts.limiter,
        deepest=parts.limits.depth,
        settings=parts.settings,
    )
    predictions = PredictionPages(
        store=parts.store,
        broker=parts.broker,
        views=parts.views,
        waits=parts.waits,
        erasure=parts.erasure,
        settings=parts.settings,
    )
    return [  # the first that fits is taken, so the busiest come first
        *_prediction_routes(parts, submit, predictions),
        *_socket_routes(parts, submit, predictions),
        *_model_routes(parts),
        *_worker_routes(parts),
        *_file_routes(parts),
        *_webhook_routes(parts),
        *_admin_routes(parts),
        *_other_routes(parts),
    ]


def _prediction_routes(parts: Parts, submit: Submit, predictions: PredictionPages) -> list[Route]:
    retries = Retries(
        catalog=parts.catalog, limiter=parts.limiter, intake=parts.intake, store=parts.store, views=parts.views
    )
    streams = Streams(
        store=parts.store,
        blobs=parts.blobs,
        views=parts.views,
        links=parts.links,
        waits=parts.waits,
        meter=parts.meter,
        keep_alive=parts.settings.keep_alive,
    )
    return [
        parts.at("/v1/predictions/{prediction_id}", predictions.get),
        parts.creating("/v1/models/{owner}/{name}/predictions", submit.to_model),
        parts.creating("/v1/predictions", submit.to_version),
        parts.creating("/v1/deployments/{owner}/{name}/predictions", submit.to_model),
        parts.at("/v1/predictions/{prediction_id}", predictions.delete, method="DELETE"),
        parts.at("/v1/predictions/{prediction_id}/events", streams.events),
        parts.at("/v1/streams/{prediction_id}", streams.outputs),
        parts.at("/v1/predictions/{prediction_id}/cancel", predictions.cancel, method="POST"),
        parts.creating("/v1/predictions/{prediction_id}/retry", retries.retry),
        parts.at("/v1/predictions", predictions.list),
    ]


def _socket_routes(parts: Parts, submit: Submit, predictions: PredictionPages) -> list[BaseRoute]:
    sockets = Sockets(
        operations=Operations(
            catalog=parts.catalog,
            submit=submit,
            predictions=predictions,
            views=parts.views,
            tracer=parts.tracer,
            settings=parts.settings,
        ),
        keyring=parts.keyring,
        store=parts.store,
        views=parts.views,
        links=parts.links,
        waits=parts.waits,
        max_watches=parts.settings.max_watches,
    )
    return [
        WebSocketRoute("/v1/socket", sockets.open),
        parts.at("/v1/socket", _no_upgrade),
        parts.at("/asyncapi.json", SocketDocument(views=parts.views).get),
    ]


def _model_routes(parts: Parts) -> list[Route]:
    models = ModelPages(catalog=parts.catalog, views=parts.views)
    deployments = Deployments(catalog=parts.catalog)
    return [
        parts.at("/v1/models/{owner}/{name}", models.get),
        parts.at("/v1/models/{owner}/{name}/versions", models.versions),
        parts.at("/v1/models/{owner}/{name}/versions/{version}", models.version),
        parts.at("/v1/models", models.list),
        parts.at("/v1/models", models.search, method="QUERY"),
        parts.at("/v1/deployments/{owner}/{name}", deployments.get),
        parts.at("/v1/deployments", deployments.list),
    ]


def _worker_routes(parts: Parts) -> list[Route]:
    calls = WorkerCalls(
        store=parts.store, ownership=Ownership(parts.store), cards=Cards(parts.catalog), views=parts.views
    )
    values = LargeValues(store=parts.store, files=parts.store, blobs=parts.blobs)
    return [
        parts.at(CALLS, calls.post, method="POST"),
        parts.at(BLOBS, values.get),
        parts.at(BLOBS, values.put, method="PUT"),
        parts.at(BLOBS, values.delete, method="DELETE"),
    ]


def _webhook_routes(parts: Parts) -> list[Route]:
    webhooks = WebhookPages(store=parts.store, errands=parts.broker)
    return [
        parts.at("/v1/predictions/{prediction_id}/webhooks", webhooks.list),
        parts.at("/v1/predictions/{prediction_id}/webhooks/redeliver", webhooks.redeliver, method="POST"),
        parts.at("/v1/webhooks/default/secret", webhooks.secret),
    ]


def _file_routes(parts: Parts) -> list[Route]:
    files = FilePages(
        files=parts.store,
        blobs=parts.blobs,
        links=parts.links,
        views=parts.views,
        largest=parts.settings.max_upload,
    )
    downloads = Downloads(files=parts.store, blobs=parts.blobs, links=parts.links)
    return [
        parts.at("/v1/files/{file_id}/download", downloads.get),
        parts.at("/v1/files/{file_id}", files.get),
        parts.at("/v1/files/{file_id}", files.delete, method="DELETE"),
        parts.at("/v1/files", files.list),
        parts.at("/v1/files", files.create, method="POST"),
    ]


def _admin_routes(parts: Parts) -> list[Route]:
    letters = LetterPages(store=parts.store, intake=parts.intake, views=parts.views, erasure=parts.erasure)
    queues = QueuePages(broker=parts.broker, registry=parts.store)
    scale = ScalePages(queues=parts.broker, lines=parts.store, catalog=parts.catalog, estimates=parts.estimates)
    overview = OverviewPages(catalog=parts.catalog, history=parts.history, lines=parts.store, attendance=parts.store)
    keys = KeyPages(store=parts.store)
    accounts = AccountPages(store=parts.store)
    return [
        parts.at("/admin/v1/queues", queues.list),
        parts.at("/admin/v1/models/{owner}/{name}/scale", scale.get),
        parts.at("/admin/v1/overview", overview.get),
        parts.at("/admin/v1/workers", overview.workers),
        parts.at("/admin/v1/keys", keys.list),
        parts.at("/admin/v1/keys", keys.create, method="POST"),
        parts.at("/admin/v1/keys/{key_id}", keys.revoke, method="DELETE"),
        parts.at("/admin/v1/accounts", accounts.list),
        parts.at("/admin/v1/accounts/{account}", accounts.put, method="PUT"),
        parts.at("/admin/v1/accounts/{account}", accounts.delete, method="DELETE"),
        parts.at("/admin/v1/dead", letters.list),
        parts.at("/admin/v1/dead", letters.purge_all, method="DELETE"),
        parts.creating("/admin/v1/dead/retry", letters.retry_all),
        parts.at("/admin/v1/dead/{letter_id}", letters.get),
        parts.at("/admin/v1/dead/{letter_id}", letters.purge, method="DELETE"),
        parts.creating("/admin/v1/dead/{letter_id}/retry", letters.retry),
    ]


def _other_routes(parts: Parts) -> list[Route]:
    health = Health(broker=parts.broker, catalog=parts.catalog)
    readings = Readings(meter=parts.meter, lines=parts.store, catalog=parts.catalog, waits=parts.waits, health=health)
    return [
        parts.at("/v1/account", account),
        parts.at("/v1/hardware", hardware),
        parts.at("/metrics", readings.get),
        parts.at("/health/live", health.live),
        parts.at("/health/ready", health.ready),
        parts.at("/", dashboard.page),
        parts.at("/dashboard/{name:path}", dashboard.part),
        parts.at("/docs", reference.page),
        parts.at("/docs/{name}", reference.part),
        parts.at("/openapi.json", Document(catalog=parts.catalog, views=parts.views).get),
    ]


async def _no_upgrade(request: Request) -> Response:
    raise UpgradeRequired(path=request.url.path)
