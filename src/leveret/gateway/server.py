"""The server: how uvicorn serves the gateway."""

from __future__ import annotations

import asyncio
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from leveret.config import GatewaySettings
from leveret.gateway.connections.http import HttpConnection
from leveret.gateway.connections.watch import Watch
from leveret.gateway.connections.websocket import WebSocketConnection
from leveret.tls import to_clients

_CLOSE_AFTER: Final = 5
"""Seconds that open HTTP connections get when the gateway stops."""

_PONG_AFTER: Final = 60.0
"""Seconds after which a socket's client that has not answered a ping is gone. A slow one reads the ping only behind
what is on its way to it already, and in the buffers of two kernels that can be megabytes."""


def server_config(app: ASGIApp, settings: GatewaySettings) -> uvicorn.Config:
    """What uvicorn is told. Raises InvalidSetting for files of TLS that cannot be used.

    Sockets are not compressed: it took 9 µs more for each event and 68 KiB per connection.
    """
    http, websocket = _protocols(settings)
    context = to_clients(settings.tls)
    return uvicorn.Config(
        app,
        http=http,
        ws=websocket,
        ws_max_size=settings.max_body,
        ws_ping_interval=settings.keep_alive,
        ws_ping_timeout=_PONG_AFTER,
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_CLOSE_AFTER,
        ssl_context_factory=None if context is None else lambda *_: context,
    )


def probe_config(app: ASGIApp) -> uvicorn.Config:
    """What uvicorn is told that serves no more than probes, within the same bounds."""
    http, _ = _protocols(GatewaySettings())
    return uvicorn.Config(app, http=http, ws="none", lifespan="off", access_log=False, log_config=None)


def _protocols(settings: GatewaySettings) -> tuple[type[asyncio.Protocol], type[asyncio.Protocol]]:
    """Those of one server: uvicorn makes an object of such a class for each connection, and gives it no settings."""
    bounds, one_watch = settings, Watch(settings)

    class Http(HttpConnection):
        settings = bounds
        watch = one_watch

    class Socket(WebSocketConnection):
        watch = one_watch

    return Http, Socket
