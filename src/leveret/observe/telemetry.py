"""Telemetry: who the traces go to, as the OTEL_* variables of OpenTelemetry say.

Nothing of OpenTelemetry is imported unless they go to somebody: it costs every start of a process.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Final

import structlog

from leveret.core.tracing import UNTRACED, Tracer
from leveret.errors import InvalidSetting

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

EXPORTER: Final = "OTEL_TRACES_EXPORTER"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_GROUP: Final = "opentelemetry_traces_exporter"

_log = structlog.get_logger()


@contextmanager
def tracing(environment: Mapping[str, str], *, service: str, system: str) -> Iterator[Tracer]:
    """The tracer of this process; what is left is sent on leaving. Raises InvalidSetting.

    Whoever starts it by `opentelemetry-instrument`, or has set a provider up otherwise, has chosen already. `service`
    is its name if nothing else is said, `system` what the queues are.
    """
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        yield UNTRACED
    elif "opentelemetry.sdk.trace" in sys.modules and (others := _of_others(system)) is not None:
        yield others
    elif names := _exporters(environment):
        with _ours(environment, names, service=service, system=system) as tracer:
            yield tracer
    else:
        yield UNTRACED


def _exporters(environment: Mapping[str, str]) -> list[str]:
    """The names of the exporters. OTLP if only an endpoint is set: who says where wants them there."""
    given = [name.strip() for name in environment.get(EXPORTER, "").split(",") if name.strip()]
    if not given and any(environment.get(name) for name in _ENDPOINTS):
        given = ["otlp"]
    return [_protocol(environment) if name == "otlp" else name for name in given if name != "none"]


def _protocol(environment: Mapping[str, str]) -> str:
    chosen = next((environment[name].strip() for name in _PROTOCOLS if environment.get(name)), "")
    return "otlp_proto_grpc" if chosen == "grpc" else "otlp_proto_http"


def _of_others(system: str) -> Tracer | None:
    """That of a provider that somebody has set up already."""
    from opentelemetry import trace  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - see above

    from leveret.observe.traces import Traces  # noqa: PLC0415 - see above

    provider = trace.get_tracer_provider()
    return Traces(provider, system=system) if isinstance(provider, TracerProvider) else None


@contextmanager
def _ours(environment: Mapping[str, str], names: list[str], *, service: str, system: str) -> Iterator[Tracer]:
    try:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - see above
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - see above
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - see above

        from leveret.observe.traces import Traces  # noqa: PLC0415 - see above
    except ImportError:
        _log.warning("no traces are sent: OpenTelemetry is not installed; pip install 'leveret[traces]'")
        yield UNTRACED
        return
    about = {"service.version": version("leveret"), "service.instance.id": f"{socket.gethostname()}-{os.getpid()}"}
    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create(about if named else {**about, "service.name": service}))
    for name in names:
        provider.add_span_processor(BatchSpanProcessor(_exporter(name)))
    try:
        yield Traces(provider, system=system)
    finally:
        provider.shutdown()


def _exporter(name: str) -> SpanExporter:
    """The one that is registered under this name, as for `opentelemetry-instrument`."""
    found = next(iter(entry_points(group=_GROUP, name=name)), None)
    if found is None:
        reason = f"there is no exporter {name!r} here; `otlp` comes with pip install 'leveret[traces]'"
        raise InvalidSetting(name=EXPORTER, source="the environment", reason=reason)
    made: SpanExporter = found.load()()
    return made
