"""The backends: the only place that imports drivers. `connect` picks the whole family from the settings.

`connect_remotely` is for workers that reach the broker and a gateway, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from leveret.backends.files import FileBlobs
from leveret.config import Settings
from leveret.core.meters import SILENT, Meter
from leveret.core.ports import Blobs, Queues, Store
from leveret.core.retention import Retention
from leveret.errors import InvalidSetting

if TYPE_CHECKING:
    from leveret.backends.gateway.store import RemoteStore


class Backends(Struct, frozen=True):
    """One family: what fits together."""

    broker: Queues
    store: Store
    blobs: Blobs


class RemoteBackends(Struct, frozen=True):
    """What a worker needs, the store and the blobs through a gateway."""

    broker: Queues
    store: RemoteStore
    blobs: Blobs


@asynccontextmanager
async def connect(settings: Settings, *, patience: float, meter: Meter = SILENT) -> AsyncIterator[Backends]:
    """The embedded family when no URL is set, otherwise RabbitMQ and Redis, even if they are away now.

    A call waits up to `patience` seconds for a store that is away. Raises InvalidSetting.
    """
    if settings.remote:
        reason = "only a worker can have a gateway for its store; this process needs the redis:// URL"
        raise InvalidSetting(name="store_url", source="the settings", reason=reason)
    if settings.embedded:
        async with _embedded(settings) as backends:
            yield backends
    else:
        async with _distributed(settings, patience, meter) as backends:
            yield backends


@asynccontextmanager
async def connect_remotely(
    settings: Settings, *, patience: float, meter: Meter = SILENT
) -> AsyncIterator[RemoteBackends]:
    """RabbitMQ and a gateway, even if they are away now. Raises InvalidSetting."""
    from leveret.backends.gateway.blobs import RemoteBlobs  # noqa: PLC0415 - drivers are imported when chosen
    from leveret.backends.gateway.connection import Connector  # noqa: PLC0415
    from leveret.backends.gateway.store import open_store  # noqa: PLC0415
    from leveret.backends.rabbitmq.broker import open_broker  # noqa: PLC0415

    _check_broker(settings)
    connector = Connector(settings.store_url, key=settings.store_token, files=settings.store_tls)
    async with (
        open_store(connector, patience=patience, meter=meter) as store,
        open_broker(
            settings.broker_url, namespace=settings.namespace, meter=meter, files=settings.broker_tls
        ) as broker,
    ):
        try:
            yield RemoteBackends(broker=broker, store=store, blobs=_shared(settings) or RemoteBlobs(connector))
        finally:
            connector.close()


@asynccontextmanager
async def _embedded(settings: Settings) -> AsyncIterator[Backends]:
    from leveret.backends.sqlite.broker import SqliteBroker  # noqa: PLC0415 - drivers are imported when chosen
    from leveret.backends.sqlite.database import open_database  # noqa: PLC0415
    from leveret.backends.sqlite.store import SqliteStore  # noqa: PLC0415

    folder = _folder(settings)
    async with open_database(folder / "leveret.db") as database:
        blobs = _shared(settings) or FileBlobs(folder / "blobs")
        store = SqliteStore(database, retention=_retention(settings))
        yield Backends(broker=SqliteBroker(database), store=store, blobs=blobs)


@asynccontextmanager
async def _distributed(settings: Settings, patience: float, meter: Meter) -> AsyncIterator[Backends]:
    from leveret.backends.rabbitmq.broker import open_broker  # noqa: PLC0415 - drivers are imported when chosen
    from leveret.backends.redis.blobs import open_blobs  # noqa: PLC0415
    from leveret.backends.redis.store import open_store  # noqa: PLC0415

    _check_broker(settings)
    _check("store_url", settings.store_url, ("redis://", "rediss://", "unix://"))
    keep = _retention(settings)
    async with (
        open_store(
            settings.store_url,
            namespace=settings.namespace,
            patience=patience,
            retention=keep,
            meter=meter,
            files=settings.store_tls,
        ) as store,
        open_broker(
            settings.broker_url, namespace=settings.namespace, meter=meter, files=settings.broker_tls
        ) as broker,
        open_blobs(settings.store_url, namespace=settings.namespace, files=settings.store_tls) as blobs,
    ):
        yield Backends(broker=broker, store=store, blobs=_shared(settings) or blobs)


def _shared(settings: Settings) -> Blobs | None:
    """The blobs that are apart from the store, if there shall be such."""
    if settings.blobs_url and settings.blobs_dir:
        reason = "there is a blobs_dir, too; large values can be in one place only"
        raise InvalidSetting(name="blobs_url", source="the settings", reason=reason)
    if settings.blobs_dir:
        return FileBlobs(Path(settings.blobs_dir))
    return _in_bucket(settings.blobs_url) if settings.blobs_url else None


def _in_bucket(url: str) -> Blobs:
    try:
        from leveret.backends.objects import open_objects  # noqa: PLC0415 - drivers are imported when chosen
    except ImportError as error:
        reason = "obstore is not installed: pip install 'leveret[objects]'"
        raise InvalidSetting(name="blobs_url", source="the settings", reason=reason) from error
    return open_objects(url)


def _retention(settings: Settings) -> Retention:
    return Retention(data=settings.retention, record=settings.record_retention)


def _folder(settings: Settings) -> Path:
    folder = Path(settings.data_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidSetting(name="data_dir", source="the settings", reason=f"it cannot be used: {error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidSetting(name="data_dir", source="the settings", reason=f"{folder} cannot be written to")
    return folder


def _check_broker(settings: Settings) -> None:
    """Before anything is connected."""
    from leveret.backends.rabbitmq.connection import hosts  # noqa: PLC0415 - drivers are imported when chosen

    for url in settings.broker_url.split(","):
        _check("broker_url", url.strip(), ("amqp://", "amqps://"))
    hosts(settings.broker_url, settings.broker_tls)


def _check(name: str, url: str, schemes: tuple[str, ...]) -> None:
    if not url.startswith(schemes):
        raise InvalidSetting(
            name=name,
            source="the settings",
            reason=f"it must begin with {' or '.join(schemes)}; set both URLs, or none for the embedded default",
        )
