"""The sections: every option of the gateway, the worker, the sweeper, webhooks and calls to the outside."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Struct

from leveret import tls
from leveret.core.depth import DEEPEST

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
"""What only this machine reaches."""

Seconds: TypeAlias = Annotated[float, Meta(gt=0)]
SecondsOrNever: TypeAlias = Annotated[float, Meta(ge=0)]
Bytes: TypeAlias = Annotated[int, Meta(ge=1)]


class GatewaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The HTTP server."""

    host: Annotated[str, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="port to listen on; 0 takes a free one")] = 8000
    insecure: Annotated[bool, Meta(description="whether others may ask without an API key, if there is none yet")] = (
        False
    )
    tls_certificate: Annotated[str, Meta(description="file of its certificate, for https; empty: plain http")] = ""
    tls_key: Annotated[str, Meta(description="file of the certificate's key; empty: in the same file")] = ""
    tls_client_ca: Annotated[
        str, Meta(description="file of the CA of which clients need a certificate; empty: none")
    ] = ""
    base_url: Annotated[str, Meta(description="public address for links; empty: the request's own")] = ""
    max_body: Annotated[Bytes, Meta(description="largest request body, in bytes")] = 16 * 1024 * 1024
    max_upload: Annotated[Bytes, Meta(description="largest file that clients may put here, in bytes")] = (
        1024 * 1024 * 1024
    )
    max_head: Annotated[Bytes, Meta(description="largest head of a request, its address and headers, in bytes")] = (
        64 * 1024
    )
    max_connections: Annotated[
        int, Meta(ge=0, description="connections at once; 0: three fourths of the files that the process may open")
    ] = 0
    head_timeout: Annotated[Seconds, Meta(description="seconds that a client may take for the head of a request")] = (
        10.0
    )
    body_timeout: Annotated[
        Seconds, Meta(description="seconds within which more of a body, or of a socket's message, has to come")
    ] = 20.0
    reading_timeout: Annotated[
        Seconds, Meta(description="seconds within which a client has to take more of what it is sent")
    ] = 60.0
    url_lifetime: Annotated[Seconds, Meta(description="seconds that a link to a file can be used, at least")] = 3600.0
    max_wait: Annotated[Seconds, Meta(description="longest `Prefer: wait`, in seconds")] = 60.0
    keep_alive: Annotated[Seconds, Meta(description="seconds between signs of life on a silent stream or socket")] = (
        15.0
    )
    max_watches: Annotated[int, Meta(ge=1, description="predictions that one socket may watch at once")] = 1000
    inline_limit: Annotated[Bytes, Meta(description="inputs larger than this, in bytes, become blobs")] = 64 * 1024
    max_retention: Annotated[Seconds, Meta(description="longest `retention` a request may ask for, in seconds")] = (
        2_592_000.0
    )
    idempotency_lifetime: Annotated[Seconds, Meta(description="seconds for which an Idempotency-Key is known")] = (
        86_400.0
    )
    patience: Annotated[Seconds, Meta(description="seconds to wait for a store that is away before answering 503")] = (
        2.0
    )

    @property
    def tls(self) -> tls.Files:
        """Who the gateway is, and of whom it wants to see the same."""
        return tls.Files(names=tls.GATEWAY, ca=self.tls_client_ca, certificate=self.tls_certificate, key=self.tls_key)

    @property
    def unguarded(self) -> bool:
        """Whether it may be asked without a key while there is none: only this machine can, or that is wanted."""
        return self.insecure or self.host in _LOOPBACK


class LimitSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much may be asked for; of an account by itself, `leveret accounts limit` says otherwise."""

    rate: Annotated[float, Meta(ge=0, description="predictions per second that an account may create; 0: any")] = 0.0
    burst: Annotated[int, Meta(ge=0, description="how many of them at once; 0: those of a second")] = 0
    queued: Annotated[int, Meta(ge=0, description="predictions of an account that may wait; 0: any")] = 0
    running: Annotated[int, Meta(ge=0, description="predictions of an account that may run; 0: any")] = 0
    wait: Annotated[
        SecondsOrNever, Meta(description="seconds beyond which nothing is taken that would have to wait; 0: never")
    ] = 0.0
    depth: Annotated[int, Meta(ge=1, le=DEEPEST, description="levels of nesting in the JSON of a body")] = 100


class WorkerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A worker and its model processes."""

    processes: Annotated[int, Meta(ge=1, description="model processes per worker")] = 1
    devices: Annotated[str, Meta(description="each process its CUDA device, by commas; empty: all")] = ""
    lease: Annotated[Seconds, Meta(description="seconds a run stays this worker's without a sign of life")] = 30.0
    beat: Annotated[Seconds, Meta(description="seconds between two signs of life")] = 5.0
    setup_timeout: Annotated[Seconds, Meta(description="seconds that importing a model and its setup may take")] = 600.0
    max_memory: Annotated[
        int, Meta(ge=0, description="bytes that a model process may take with all it starts; 0: no limit")
    ] = 0
    health_period: Annotated[Seconds, Meta(description="seconds between two health checks of an idle model")] = 10.0
    health_timeout: Annotated[Seconds, Meta(description="seconds that a health check may take")] = 5.0
    max_predictions_per_process: Annotated[
        int, Meta(ge=0, description="predictions after which a model process is replaced by a fresh one; 0: never")
    ] = 0
    grace: Annotated[Seconds, Meta(description="seconds to finish what runs when the worker is stopped")] = 60.0
    cancel_grace: Annotated[Seconds, Meta(description="seconds a run has to stop, and again after SIGTERM")] = 5.0
    max_attempts: Annotated[
        int, Meta(ge=1, description="charged runs a prediction may have, if its model says nothing of `retries`")
    ] = 3
    guard_after: Annotated[Seconds, Meta(description="seconds in hand after which a guard stands for a delivery")] = (
        600.0
    )
    guard_delay: Annotated[Seconds, Meta(description="seconds until a guard comes back to see whether it runs")] = 900.0
    spool_dir: Annotated[
        str, Meta(description="folder for files on their way to and from models; empty: the system's temporary one")
    ] = ""
    max_download: Annotated[Bytes, Meta(description="largest file that is fetched for an input, in bytes")] = (
        1024 * 1024 * 1024
    )
    download_timeout: Annotated[Seconds, Meta(description="seconds that fetching a file for an input may take")] = 60.0
    health_host: Annotated[str, Meta(description="address at which a worker shows its health and its metrics")] = (
        "127.0.0.1"
    )
    health_port: Annotated[int, Meta(ge=0, le=65535, description="port for that; 0: it does not")] = 0
    replies: Annotated[
        bool, Meta(description="whether workers send replies over AMQP; otherwise gateways do, some seconds later")
    ] = True
    max_output: Annotated[Bytes, Meta(description="largest output of a run, its files included, in bytes")] = (
        1024 * 1024 * 1024
    )
    inline_limit: Annotated[Bytes, Meta(description="outputs larger than this, in bytes, become blobs")] = 64 * 1024


class SweeperSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What mends the traces of a crash."""

    period: Annotated[Seconds, Meta(description="seconds between two sweeps")] = 5.0
    outbox_age: Annotated[
        Seconds, Meta(description="age in seconds from which what may have lost its message is queued again")
    ] = 30.0
    hold: Annotated[Seconds, Meta(description="seconds before the same prediction is mended again")] = 30.0
    head_start: Annotated[
        Seconds, Meta(description="seconds a worker has to stop a run past its deadline; more than twice cancel_grace")
    ] = 15.0


class WebhookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What calls the webhooks."""

    timeout: Annotated[Seconds, Meta(description="seconds that a receiver has to answer a call")] = 15.0
    max_attempts: Annotated[int, Meta(ge=1, description="calls for one notice before it is given up")] = 8
    concurrency: Annotated[
        int, Meta(ge=1, le=2000, description="calls at once, of each gateway; a quarter of them to one host")
    ] = 64


class OutboundSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Calls to URLs that clients choose."""

    allow_http: Annotated[bool, Meta(description="whether plain http:// may be called, too")] = False
    allow: Annotated[
        str, Meta(description="networks beside the public internet that may be called, by commas, such as 10.0.0.0/8")
    ] = ""
