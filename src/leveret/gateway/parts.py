"""The parts: what several endpoints share, built once."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct
from starlette.routing import Route

from leveret.config import GatewaySettings, LimitSettings
from leveret.core import ports
from leveret.core.hooks import Hooks
from leveret.core.meters import Exposed
from leveret.core.ports import (
    Attendance,
    Blobs,
    Expiry,
    Files,
    Letters,
    Lines,
    Models,
    Predictions,
    Queues,
    Registry,
    Runs,
    Secrets,
)
from leveret.core.tracing import Tracer
from leveret.erasure import Erasure
from leveret.gateway.auth import Keyring
from leveret.gateway.catalog import Catalog
from leveret.gateway.confirmations import Confirmations, Outbox
from leveret.gateway.endpoint import Endpoint, Handler, traced
from leveret.gateway.estimates import Estimates
from leveret.gateway.files.links import Links
from leveret.gateway.history import History
from leveret.gateway.intake import Intake
from leveret.gateway.limiter import Limiter
from leveret.gateway.views import Views
from leveret.gateway.waits import Waits
from leveret.outbound import Guard
from leveret.reuse import Reuse


class GatewayStore(
    Predictions,
    Runs,
    ports.Reuse,
    Registry,
    Attendance,
    Letters,
    Expiry,
    Files,
    Secrets,
    Hooks,
    Lines,
    Models,
    ports.Replies,
    ports.ApiKeys,
    ports.Accounts,
    Outbox,
    Protocol,
):
    """What the gateway needs of the store."""


class Parts(Struct, frozen=True, kw_only=True):
    """What several endpoints share."""

    store: GatewayStore
    broker: Queues
    blobs: Blobs
    settings: GatewaySettings
    guard: Guard
    limits: LimitSettings
    meter: Exposed
    tracer: Tracer
    catalog: Catalog
    confirmations: Confirmations
    erasure: Erasure
    estimates: Estimates
    history: History
    intake: Intake
    limiter: Limiter
    links: Links
    views: Views
    keyring: Keyring
    waits: Waits

    @classmethod
    def of(
        cls,
        *,
        store: GatewayStore,
        broker: Queues,
        blobs: Blobs,
        settings: GatewaySettings,
        guard: Guard,
        limits: LimitSettings,
        meter: Exposed,
        tracer: Tracer,
    ) -> Parts:
        """All of them, made of what the process has opened."""
        confirmations, links = Confirmations(outbox=store), Links(secrets=store, lifetime=settings.url_lifetime)
        catalog = Catalog(registry=store)
        estimates, keyring = Estimates(lines=store, catalog=catalog), Keyring(store, unguarded=settings.unguarded)
        views = _views(blobs, links, estimates, keyring, base_url=settings.base_url)
        return cls(
            store=store,
            broker=broker,
            blobs=blobs,
            settings=settings,
            guard=guard,
            limits=limits,
            meter=meter,
            tracer=tracer,
            catalog=catalog,
            confirmations=confirmations,
            erasure=Erasure(store=store, blobs=blobs),
            estimates=estimates,
            history=History(lines=store),
            intake=_intake(store, broker, blobs, confirmations, tracer, inline_limit=settings.inline_limit),
            limiter=Limiter(accounts=store, estimates=estimates, settings=limits),
            links=links,
            views=views,
            keyring=keyring,
            waits=Waits(),
        )

    def at(self, path: str, handler: Handler, *, method: str = "GET") -> Route:
        """The route to an endpoint; GET takes HEAD, too."""
        return Route(path, Endpoint(path, handler, meter=self.meter), methods=[method])

    def creating(self, path: str, handler: Handler) -> Route:
        """The route to an endpoint that creates predictions."""
        return self.at(path, traced(path, handler, tracer=self.tracer), method="POST")


def _views(blobs: Blobs, links: Links, estimates: Estimates, keyring: Keyring, *, base_url: str) -> Views:
    return Views(blobs=blobs, links=links, base_url=base_url, estimates=estimates, signed=lambda: keyring.required)


def _intake(
    store: GatewayStore,
    broker: Queues,
    blobs: Blobs,
    confirmations: Confirmations,
    tracer: Tracer,
    *,
    inline_limit: int,
) -> Intake:
    return Intake(
        store=store,
        broker=broker,
        blobs=blobs,
        confirmations=confirmations,
        reuse=Reuse(store=store, blobs=blobs, inline_limit=inline_limit),
        tracer=tracer,
        inline_limit=inline_limit,
    )
