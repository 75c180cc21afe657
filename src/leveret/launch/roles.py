"""Roles: what a gateway consists of beside its requests, and what it shares with a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from leveret.backends import Backends, RemoteBackends
from leveret.config import GatewaySettings, Settings, SweeperSettings
from leveret.core.meters import Exposed, Meter
from leveret.core.prediction import Prediction
from leveret.core.tracing import Tracer
from leveret.erasure import Erasure
from leveret.errors import InvalidSetting, Unavailable
from leveret.gateway.app import create_app
from leveret.gateway.files.links import Links
from leveret.gateway.server import server_config
from leveret.gateway.views import Views
from leveret.launch.serving import Server
from leveret.outbound import Guard, open_client
from leveret.rejections import Rejections
from leveret.replies import Replies
from leveret.sweeper import Sweeper
from leveret.uploads import Uploads
from leveret.webhooks.caller import Caller
from leveret.webhooks.dispatcher import Dispatcher
from leveret.webhooks.teller import Teller


def server(settings: Settings, backends: Backends, meter: Exposed, tracer: Tracer) -> Server:
    """The HTTP server of a gateway."""
    closing = asyncio.Event()
    app = create_app(
        store=backends.store,
        broker=backends.broker,
        blobs=backends.blobs,
        settings=settings.gateway,
        guard=Guard(settings.outbound),
        limits=settings.limits,
        meter=meter,
        tracer=tracer,
        closing=closing,
    )
    return Server(server_config(app, settings.gateway), closing=closing)


async def admitted(settings: GatewaySettings, backends: Backends) -> bool:
    """Whether everybody may ask, since there is no key yet. Raises InvalidSetting where others could reach it so."""
    try:
        if await backends.store.api_keys():
            return False
    except Unavailable:
        return False  # the gateway finds out as soon as it can
    if not settings.unguarded:
        reason = (
            f"anybody who reaches {settings.host} could run models, since there is no API key yet: make one with "
            "`leveret keys create`, listen on 127.0.0.1, or say --insecure"
        )
        raise InvalidSetting(name="gateway.host", source="the settings", reason=reason)
    return True


def left_to_gateways(_: Prediction) -> None:
    """Their sweeps find that a reply is owed."""


def replies(settings: Settings, backends: Backends | RemoteBackends, *, signed: Callable[[], bool]) -> Replies:
    """What answers programs that asked over AMQP."""
    if isinstance(backends, RemoteBackends):
        remote = backends.store
        return Replies(broker=backends.broker, store=remote, show=remote.show, hold=settings.sweeper.hold)
    links = Links(secrets=backends.store, lifetime=settings.gateway.url_lifetime)
    views = Views(blobs=backends.blobs, links=links, base_url=settings.gateway.base_url, signed=signed)
    return Replies(broker=backends.broker, store=backends.store, show=views.message, hold=settings.sweeper.hold)


def sweeper(settings: SweeperSettings, backends: Backends, replies: Replies) -> Sweeper:
    """What mends what crashes leave behind, and removes what has had its time."""
    broker, store = backends.broker, backends.store
    return Sweeper(
        upkeep=store,
        broker=broker,
        rejections=Rejections(broker=broker, store=store),
        replies=replies,
        uploads=Uploads(files=store, blobs=backends.blobs, hold=settings.hold),
        erasure=Erasure(store=store, blobs=backends.blobs),
        settings=settings,
    )


async def tell(
    settings: Settings, backends: Backends, meter: Meter, tracer: Tracer, *, signed: Callable[[], bool]
) -> None:
    """Call webhooks for ever."""
    base_url = settings.gateway.base_url.rstrip("/")
    links = Links(secrets=backends.store, lifetime=settings.gateway.url_lifetime)
    views = Views(blobs=backends.blobs, links=links, base_url=base_url, signed=signed)
    patience = settings.webhooks.timeout
    async with (
        open_client(Guard(settings.outbound), patience=patience) as client,
        asyncio.TaskGroup() as group,
    ):
        teller = Teller(
            hooks=backends.store,
            queues=backends.broker,
            caller=Caller(client=client, patience=patience),
            render=views.prediction,
            settings=settings.webhooks,
            base_url=base_url,
            meter=meter,
            tracer=tracer,
        )
        group.create_task(Dispatcher(hooks=backends.store, queues=backends.broker).run())
        group.create_task(teller.run())
