"""The settings: all options of a process, built once."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from leveret import tls
from leveret.config.sections import (
    GatewaySettings,
    LimitSettings,
    OutboundSettings,
    SecondsOrNever,
    SweeperSettings,
    WebhookSettings,
    WorkerSettings,
)
from leveret.core.retention import DATA, RECORD


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set; frozen once it is built."""

    broker_url: Annotated[str, Meta(description="amqp:// URLs, separated by commas; empty: embedded")] = ""
    store_url: Annotated[
        str, Meta(description="redis:// URL, or for a worker the https:// URL of a gateway; empty: embedded")
    ] = ""
    store_token: Annotated[str, Meta(description="API key with which a worker asks the gateway at store_url")] = ""
    broker_ca: Annotated[
        str, Meta(description="file of the CA that a broker at amqps:// needs; empty: the system's")
    ] = ""
    broker_certificate: Annotated[str, Meta(description="file of the certificate that is shown to the broker")] = ""
    broker_key: Annotated[str, Meta(description="file of its key; empty: in the same file")] = ""
    store_ca: Annotated[
        str, Meta(description="file of the CA that a store at rediss:// needs; empty: the system's")
    ] = ""
    store_certificate: Annotated[str, Meta(description="file of the certificate that is shown to the store")] = ""
    store_key: Annotated[str, Meta(description="file of its key; empty: in the same file")] = ""
    data_dir: Annotated[str, Meta(description="folder of the embedded database and of its large values")] = ".leveret"
    blobs_dir: Annotated[
        str, Meta(description="folder that all processes share, for large values; empty: the store keeps them")
    ] = ""
    blobs_url: Annotated[
        str, Meta(description="bucket for large values, such as s3://bucket/path; empty: as blobs_dir says")
    ] = ""
    namespace: Annotated[str, Meta(pattern="^[a-z0-9-]+$", description="first part of every queue and key")] = "leveret"
    log_level: Annotated[str, Meta(pattern="^(debug|info|warning|error)$", description="least severity logged")] = (
        "info"
    )
    log_format: Annotated[
        str, Meta(pattern="^(auto|json|console)$", description="how: for people on a terminal, or as JSON lines")
    ] = "auto"
    retention: Annotated[
        SecondsOrNever, Meta(description="seconds after its end until a prediction's data is removed; 0: never")
    ] = DATA
    record_retention: Annotated[
        SecondsOrNever,
        Meta(description="seconds after its end until the record goes, but not before the data; 0: never"),
    ] = RECORD
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    sweeper: SweeperSettings = field(default_factory=SweeperSettings)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    outbound: OutboundSettings = field(default_factory=OutboundSettings)

    @property
    def broker_tls(self) -> tls.Files:
        """Whom to believe at the broker, and who we are there."""
        return tls.Files(names=tls.BROKER, ca=self.broker_ca, certificate=self.broker_certificate, key=self.broker_key)

    @property
    def store_tls(self) -> tls.Files:
        """The same at the store."""
        return tls.Files(names=tls.STORE, ca=self.store_ca, certificate=self.store_certificate, key=self.store_key)

    @property
    def embedded(self) -> bool:
        """Whether everything runs in one process on one SQLite file."""
        return not self.broker_url and not self.store_url

    @property
    def remote(self) -> bool:
        """Whether the store is asked through a gateway, as a worker may."""
        return self.store_url.startswith(("http://", "https://"))
