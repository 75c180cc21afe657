"""Traces: what this process does for predictions, as spans of OpenTelemetry.

Names and attributes are those of its semantic conventions, as far as there are any; all are in docs/traces.md. Nothing
of an input or output, of a header or of the path of a webhook is among them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from types import TracebackType
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TracerProvider, TraceState

from leveret.core.prediction import Prediction, Trace
from leveret.core.tracing import INERT, Inert, Span

Value: TypeAlias = str | int | float

_NOBODY: Final = Context()
"""No span is under way in it: what has no parent begins a trace, whatever happens to be current."""

_NANOSECONDS: Final = 1_000_000_000
_SERVER_ERROR: Final = 500


class Traces:
    """Implements core.tracing.Tracer. `system` is what the queues are."""

    def __init__(self, provider: TracerProvider, *, system: str) -> None:
        self._tracer = provider.get_tracer("leveret", version("leveret"))
        self._system = system

    def request(self, method: str, route: str, parent: Trace | None) -> Span:
        """See Tracer. Where somebody else traces the server, it is a part of that."""
        attributes = {"http.request.method": method, "http.route": route}
        current = api.get_current_span().get_span_context()
        context = api.set_span_in_context(api.get_current_span()) if current.is_valid else _context(parent)
        return _Recorded(
            self._tracer.start_span(f"{method} {route}", context, SpanKind.SERVER, attributes),
            status="http.response.status_code",
            lenient=True,
        )

    def publish(self, prediction: Prediction) -> Span:
        """See Tracer."""
        attributes: dict[str, Value] = {**self._message(prediction)}
        attributes |= {"messaging.operation.type": "send", "messaging.operation.name": "publish"}
        return self._begun(
            f"publish {prediction.model}",
            SpanKind.PRODUCER,
            prediction.trace,
            attributes,
        )

    def queued(self, prediction: Prediction) -> None:
        """See Tracer. Clocks differ: what seems to have ended before it began took no time."""
        if _left_out(prediction.trace):
            return
        now = time.time_ns()
        began = min(int(prediction.created_at * _NANOSECONDS), now)
        span = self._tracer.start_span(
            f"queued {prediction.model}",
            _context(prediction.trace),
            SpanKind.INTERNAL,
            {**_about(prediction), "leveret.lane": prediction.lane},
            start_time=began,
        )
        span.end(now)

    def attempt(self, prediction: Prediction, attempt: int, worker: str) -> Span:
        """See Tracer."""
        attributes: dict[str, Value] = {**self._message(prediction), "messaging.client.id": worker}
        attributes |= {"messaging.operation.type": "process", "messaging.operation.name": "process"}
        attributes |= {"leveret.attempt": attempt, "leveret.lane": prediction.lane}
        return self._begun(f"process {prediction.model}", SpanKind.CONSUMER, prediction.trace, attributes)

    def run(self, prediction: Prediction, parent: Trace | None, batch: Trace | None) -> Span:
        """See Tracer."""
        return self._begun(f"run {prediction.model}", SpanKind.INTERNAL, parent, _about(prediction), links=[batch])

    def batch(self, model: str, members: Sequence[Trace | None]) -> Span:
        """See Tracer. One of which no member is recorded is not either."""
        if all(_left_out(member) for member in members):
            return INERT
        attributes: dict[str, Value] = {"leveret.model": model, "messaging.batch.message_count": len(members)}
        return self._begun(f"batch {model}", SpanKind.INTERNAL, None, attributes, links=members)

    def setup(self, model: str, seconds: float) -> None:
        """See Tracer."""
        now = time.time_ns()
        began = now - int(seconds * _NANOSECONDS)
        self._tracer.start_span(f"setup {model}", _NOBODY, attributes={"leveret.model": model}, start_time=began).end(
            now
        )

    def call(self, prediction: Prediction, url: str, attempt: int) -> Span:
        """See Tracer. Of the URL only where it leads: the rest may be secret."""
        place = urlsplit(url)
        attributes: dict[str, Value] = {**_about(prediction), "http.request.method": "POST"}
        attributes |= {"url.scheme": place.scheme, "server.address": place.hostname or ""}
        attributes |= {"server.port": place.port or (443 if place.scheme == "https" else 80)}
        if attempt > 1:
            attributes["http.request.resend_count"] = attempt - 1
        return self._begun("POST", SpanKind.CLIENT, prediction.trace, attributes, status="http.response.status_code")

    def _begun(
        self,
        name: str,
        kind: SpanKind,
        parent: Trace | None,
        attributes: Mapping[str, Value],
        *,
        links: Sequence[Trace | None] = (),
        status: str = "leveret.status",
    ) -> Span:
        if parent is not None and _left_out(parent):
            return Inert(parent)
        related = [Link(_place(link)) for link in links if link is not None]
        return _Recorded(self._tracer.start_span(name, _context(parent), kind, attributes, related), status=status)

    def _message(self, prediction: Prediction) -> Mapping[str, Value]:
        return {
            "messaging.system": self._system,
            "messaging.destination.name": prediction.model,
            "messaging.message.id": prediction.id,
            **_about(prediction),
        }


class _Recorded:
    """Implements core.tracing.Span."""

    def __init__(self, span: api.Span, *, status: str, lenient: bool = False) -> None:
        """By the conventions a client's mistake is no error of the server's, which is `lenient`."""
        self._span = span
        self._status = status
        self._lenient = lenient
        self._open = True
        self.trace = _trace(span)

    def end(self, *, status: int | str = "", error: str = "") -> None:
        """See Span."""
        if not self._open:
            return
        self._open = False
        if status != "":
            self._span.set_attribute(self._status, status)
        if error:
            self._span.set_attribute("error.type", error)
            if not (self._lenient and isinstance(status, int) and status < _SERVER_ERROR):
                self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end(error="" if kind is None else kind.__name__)


def _left_out(trace: Trace | None) -> bool:
    """The sampler is asked once, for the request: it is most of the cost of what is not recorded."""
    return trace is not None and not trace.sampled


def _about(prediction: Prediction) -> Mapping[str, Value]:
    return {"leveret.model": prediction.model, "leveret.prediction.id": prediction.id}


def _context(trace: Trace | None) -> Context:
    return _NOBODY if trace is None else api.set_span_in_context(api.NonRecordingSpan(_place(trace)), _NOBODY)


def _place(trace: Trace) -> SpanContext:
    _, whole, parent, flags = trace.traceparent.split("-")
    state = TraceState.from_header([trace.tracestate]) if trace.tracestate else None
    return SpanContext(int(whole, 16), int(parent, 16), True, TraceFlags(int(flags, 16)), state)


def _trace(span: api.Span) -> Trace | None:
    place = span.get_span_context()
    if not place.is_valid:
        return None
    parent = f"00-{place.trace_id:032x}-{place.span_id:016x}-{place.trace_flags:02x}"
    return Trace(parent, place.trace_state.to_header())
