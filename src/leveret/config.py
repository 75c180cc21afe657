"""Settings: one table of options, read from leveret.toml, LEVERET_* and flags, each over the one before.

The structs below are the table: every field is an option with its default and its help. An option of a section
is `[section] name` in the file and `LEVERET_SECTION_NAME` in the environment; one of `Settings` itself stands at
the top of the file and is `LEVERET_NAME`. Unknown options are refused, whoever gives them.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Struct, field

from leveret.core.retention import DATA, RECORD
from leveret.errors import InvalidSetting

Value: TypeAlias = str | int | float | bool
Given: TypeAlias = Mapping[str, Value]
"""Options by their dotted name, such as `gateway.port`."""

FILE: Final = Path("leveret.toml")
_PREFIX: Final = "LEVERET_"

FOR_CLIENTS: Final = frozenset({"LEVERET_URL", "LEVERET_TOKEN", "LEVERET_WEBHOOK_SECRET"})
"""Variables that are no options of a process here: they tell clients where a gateway is, who they are, and whom they
believe."""

GATEWAY_URL: Final = "http://127.0.0.1:8000"
"""Where clients look for a gateway if nobody tells them."""

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
    base_url: Annotated[str, Meta(description="public address for links; empty: the request's own")] = ""
    max_body: Annotated[Bytes, Meta(description="largest request body, in bytes")] = 16 * 1024 * 1024
    max_upload: Annotated[Bytes, Meta(description="largest file that clients may put here, in bytes")] = (
        1024 * 1024 * 1024
    )
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
    def unguarded(self) -> bool:
        """Whether it may be asked without a key while there is none: only this machine can, or that is wanted."""
        return self.insecure or self.host in _LOOPBACK


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


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be set; frozen once it is built."""

    broker_url: Annotated[str, Meta(description="amqp:// URLs, separated by commas; empty: embedded")] = ""
    store_url: Annotated[str, Meta(description="redis:// URL; empty: embedded")] = ""
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
    retention: Annotated[
        SecondsOrNever, Meta(description="seconds after its end until a prediction's data is removed; 0: never")
    ] = DATA
    record_retention: Annotated[
        SecondsOrNever,
        Meta(description="seconds after its end until the record goes, but not before the data; 0: never"),
    ] = RECORD
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    sweeper: SweeperSettings = field(default_factory=SweeperSettings)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    outbound: OutboundSettings = field(default_factory=OutboundSettings)

    @property
    def embedded(self) -> bool:
        """Whether everything runs in one process on one SQLite file."""
        return not self.broker_url and not self.store_url


class Option(Struct, frozen=True):
    """One row of the table."""

    name: str
    kind: type
    default: Value
    help: str
    form: object
    """Its type with all that restricts its values."""

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return _PREFIX + self.name.replace(".", "_").upper()

    @property
    def flag(self) -> str:
        """Its name on the command line; what concerns the gateway needs no prefix."""
        return "--" + self.name.removeprefix("gateway.").replace(".", "-").replace("_", "-")


def options() -> Iterator[Option]:
    """Every option, by its dotted name."""
    yield from _options(Settings, "")


def load(
    *,
    environment: Mapping[str, str],
    flags: Given,
    file: Path = FILE,
) -> Settings:
    """The settings: defaults, then the file if there is one, then the environment, then flags.

    Raises InvalidSetting.
    """
    rows = {row.name: row for row in options()}
    merged: dict[str, Value] = {}
    sources: dict[str, str] = {}
    for source, given in (
        (str(file), _from_file(file)),
        ("the environment", _from_environment(environment, rows)),
        ("the command line", flags),
    ):
        for name, value in given.items():
            if name not in rows:
                raise InvalidSetting(
                    name=name, source=source, reason="there is no such option; `leveret serve --help` lists them"
                )
            merged[name] = _converted(rows[name], value, source)
            sources[name] = source
    settings = _built(merged)
    _check_beat(settings.worker, sources)
    _check_networks(settings.outbound, sources)
    return settings


def _options(section: type[Struct], prefix: str) -> Iterator[Option]:
    for info in msgspec.structs.fields(section):
        if isinstance(info.type, type) and issubclass(info.type, Struct):
            yield from _options(info.type, f"{info.name}.")
        else:
            text = msgspec.inspect.type_info(info.type)
            extra = text.extra_json_schema or {} if isinstance(text, msgspec.inspect.Metadata) else {}
            help_text = str(extra.get("description", ""))
            yield Option(prefix + info.name, type(info.default), info.default, help_text, info.type)


def _from_file(file: Path) -> Given:
    if not file.is_file():
        return {}
    try:
        content = tomllib.loads(file.read_text())
    except OSError as error:
        raise InvalidSetting(name="(all)", source=str(file), reason=f"it cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSetting(name="(all)", source=str(file), reason=f"it is not TOML: {error}") from error
    flat: dict[str, Value] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    return flat


def _from_environment(environment: Mapping[str, str], rows: Mapping[str, Option]) -> Given:
    names = {row.variable: row.name for row in rows.values()}
    return {
        names.get(variable, variable): value
        for variable, value in environment.items()
        if variable.startswith(_PREFIX) and variable not in FOR_CLIENTS
    }


def _converted(row: Option, value: Value, source: str) -> Value:
    try:
        converted: Value = msgspec.convert(value, row.form, strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        raise InvalidSetting(name=row.name, source=source, reason=str(error)) from error
    if isinstance(converted, float) and not math.isfinite(converted):
        raise InvalidSetting(name=row.name, source=source, reason="it must be finite")
    return converted


def _built(merged: Mapping[str, Value]) -> Settings:
    tree: dict[str, Value | dict[str, Value]] = {}
    for name, value in merged.items():
        section, _, key = name.rpartition(".")
        if section:
            inner = tree.setdefault(section, {})
            assert isinstance(inner, dict)  # noqa: S101 - sections and options never share a name
            inner[key] = value
        else:
            tree[name] = value
    return msgspec.convert(tree, Settings)


def _check_beat(worker: WorkerSettings, sources: Mapping[str, str]) -> None:
    """One sign of life may be late or lost without the lease running out."""
    if 2 * worker.beat >= worker.lease:
        name = "worker.beat" if "worker.beat" in sources else "worker.lease"
        raise InvalidSetting(
            name=name,
            source=sources.get(name, "the defaults"),
            reason=f"worker.beat ({worker.beat:g} s) must be less than half of worker.lease ({worker.lease:g} s)",
        )


def _check_networks(outbound: OutboundSettings, sources: Mapping[str, str]) -> None:
    try:
        for network in filter(None, outbound.allow.split(",")):
            ip_network(network.strip())
    except ValueError as error:
        raise InvalidSetting(
            name="outbound.allow", source=sources.get("outbound.allow", "the defaults"), reason=str(error)
        ) from error
