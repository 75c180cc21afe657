"""The routes: every endpoint's place."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from leveret.errors import UpgradeRequired
from leveret.gateway import reference
from leveret.gateway.account import account, hardware
from leveret.gateway.admin.keys import KeyPages
from leveret.gateway.admin.letters import LetterPages
from leveret.gateway.admin.queues import QueuePages
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
from leveret.gateway.retries import Retries
from leveret.gateway.socket.connection import Sockets
from leveret.gateway.socket.operations import Operations
from leveret.gateway.streams import Streams
from leveret.gateway.submit import Submit
from leveret.gateway.webhooks.pages import WebhookPages


def routes(parts: Parts) -> list[BaseRoute]:
    """All of them, the busiest first."""
    submit = Submit(
        catalog=parts.catalog,
        intake=parts.intake,
        file_inputs=FileInputs(files=parts.store, links=parts.links),
        store=parts.store,
        views=parts.views,
        waits=parts.waits,
        guard=parts.guard,
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
        *_file_routes(parts),
        *_webhook_routes(parts),
        *_admin_routes(parts),
        *_other_routes(parts),
    ]


def _prediction_routes(parts: Parts, submit: Submit, predictions: PredictionPages) -> list[Route]:
    retries = Retries(catalog=parts.catalog, intake=parts.intake, store=parts.store, views=parts.views)
    streams = Streams(
        store=parts.store,
        blobs=parts.blobs,
        views=parts.views,
        links=parts.links,
        waits=parts.waits,
        keep_alive=parts.settings.keep_alive,
    )
    return [
        Route("/v1/predictions/{prediction_id}", predictions.get),
        Route("/v1/models/{owner}/{name}/predictions", submit.to_model, methods=["POST"]),
        Route("/v1/predictions", submit.to_version, methods=["POST"]),
        Route("/v1/deployments/{owner}/{name}/predictions", submit.to_model, methods=["POST"]),
        Route("/v1/predictions/{prediction_id}", predictions.delete, methods=["DELETE"]),
        Route("/v1/predictions/{prediction_id}/events", streams.events),
        Route("/v1/streams/{prediction_id}", streams.outputs),
        Route("/v1/predictions/{prediction_id}/cancel", predictions.cancel, methods=["POST"]),
        Route("/v1/predictions/{prediction_id}/retry", retries.retry, methods=["POST"]),
        Route("/v1/predictions", predictions.list),
    ]


def _socket_routes(parts: Parts, submit: Submit, predictions: PredictionPages) -> list[BaseRoute]:
    sockets = Sockets(
        operations=Operations(catalog=parts.catalog, submit=submit, predictions=predictions, views=parts.views),
        store=parts.store,
        views=parts.views,
        links=parts.links,
        waits=parts.waits,
        max_watches=parts.settings.max_watches,
    )
    return [
        WebSocketRoute("/v1/socket", sockets.open),
        Route("/v1/socket", _no_upgrade),
        Route("/asyncapi.json", SocketDocument(views=parts.views).get),
    ]


def _model_routes(parts: Parts) -> list[Route]:
    models = ModelPages(catalog=parts.catalog, views=parts.views)
    deployments = Deployments(catalog=parts.catalog)
    return [
        Route("/v1/models/{owner}/{name}", models.get),
        Route("/v1/models/{owner}/{name}/versions", models.versions),
        Route("/v1/models/{owner}/{name}/versions/{version}", models.version),
        Route("/v1/models", models.list),
        Route("/v1/models", models.search, methods=["QUERY"]),
        Route("/v1/deployments/{owner}/{name}", deployments.get),
        Route("/v1/deployments", deployments.list),
    ]


def _webhook_routes(parts: Parts) -> list[Route]:
    webhooks = WebhookPages(store=parts.store, errands=parts.broker)
    return [
        Route("/v1/predictions/{prediction_id}/webhooks", webhooks.list),
        Route("/v1/predictions/{prediction_id}/webhooks/redeliver", webhooks.redeliver, methods=["POST"]),
        Route("/v1/webhooks/default/secret", webhooks.secret),
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
        Route("/v1/files/{file_id}/download", downloads.get),
        Route("/v1/files/{file_id}", files.get),
        Route("/v1/files/{file_id}", files.delete, methods=["DELETE"]),
        Route("/v1/files", files.list),
        Route("/v1/files", files.create, methods=["POST"]),
    ]


def _admin_routes(parts: Parts) -> list[Route]:
    letters = LetterPages(store=parts.store, intake=parts.intake, views=parts.views, erasure=parts.erasure)
    queues = QueuePages(broker=parts.broker, registry=parts.store)
    keys = KeyPages(store=parts.store)
    return [
        Route("/admin/v1/queues", queues.list),
        Route("/admin/v1/keys", keys.list),
        Route("/admin/v1/keys", keys.create, methods=["POST"]),
        Route("/admin/v1/keys/{key_id}", keys.revoke, methods=["DELETE"]),
        Route("/admin/v1/dead", letters.list),
        Route("/admin/v1/dead", letters.purge_all, methods=["DELETE"]),
        Route("/admin/v1/dead/retry", letters.retry_all, methods=["POST"]),
        Route("/admin/v1/dead/{letter_id}", letters.get),
        Route("/admin/v1/dead/{letter_id}", letters.purge, methods=["DELETE"]),
        Route("/admin/v1/dead/{letter_id}/retry", letters.retry, methods=["POST"]),
    ]


def _other_routes(parts: Parts) -> list[Route]:
    health = Health(broker=parts.broker, catalog=parts.catalog)
    return [
        Route("/v1/account", account),
        Route("/v1/hardware", hardware),
        Route("/health/live", health.live),
        Route("/health/ready", health.ready),
        Route("/docs", reference.page),
        Route("/docs/{name}", reference.part),
        Route("/openapi.json", Document(catalog=parts.catalog, views=parts.views).get),
    ]


async def _no_upgrade(request: Request) -> Response:
    raise UpgradeRequired(path=request.url.path)
