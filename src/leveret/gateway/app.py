"""The application: the gateway's parts and the routes put together, and what goes on beside the requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from msgspec import Struct
from starlette.routing import Router

from leveret.config import GatewaySettings, LimitSettings, OutboundSettings
from leveret.core.meters import SILENT, Exposed
from leveret.core.ports import Blobs, Queues
from leveret.core.tracing import UNTRACED, Tracer
from leveret.gateway.auth import Auth
from leveret.gateway.origins import Origins
from leveret.gateway.parts import GatewayStore, Parts
from leveret.gateway.problems import Problems
from leveret.gateway.routes import routes
from leveret.outbound import Guard

PUBLIC: Final = Guard(OutboundSettings())
"""Lets everything through that is on the public internet."""


UNLIMITED: Final = LimitSettings()
"""Lets everybody create as much as they want."""


def create_app(
    *,
    store: GatewayStore,
    broker: Queues,
    blobs: Blobs,
    settings: GatewaySettings,
    guard: Guard = PUBLIC,
    limits: LimitSettings = UNLIMITED,
    meter: Exposed = SILENT,
    tracer: Tracer = UNTRACED,
    closing: asyncio.Event | None = None,
) -> Problems:
    """The gateway as an ASGI application; serve it with its lifespan.

    `guard` says which webhooks may be called. Set `closing` before the server is stopped: it ends what would keep
    connections open, waits and streams.
    """
    parts = Parts.of(
        store=store,
        broker=broker,
        blobs=blobs,
        settings=settings,
        guard=guard,
        limits=limits,
        meter=meter,
        tracer=tracer,
    )
    background = _Background(parts, closing or asyncio.Event())
    router = Router(
        routes(parts),
        redirect_slashes=False,  # official clients do not follow redirects
        lifespan=background.lifespan,
    )
    return Problems(Auth(router, keyring=parts.keyring, origins=Origins(settings)), routes=router.routes, meter=meter)


class _Background(Struct, frozen=True):
    """What goes on beside the requests, from the start of the server to its end."""

    parts: Parts
    closing: asyncio.Event

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            loops = [
                self.parts.catalog.run(),
                self.parts.estimates.run(),
                self.parts.history.run(),
                self.parts.confirmations.run(),
                self.parts.keyring.run(),
                self.parts.limiter.run(),
                self._close(),
            ]
            tasks = [group.create_task(loop) for loop in loops]
            yield
            for task in tasks:
                task.cancel()

    async def _close(self) -> None:
        await self.closing.wait()
        self.parts.waits.close()
