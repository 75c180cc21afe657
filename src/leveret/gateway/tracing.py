"""Tracing: the requests that create predictions take up the traces of their clients."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from leveret.core.prediction import Trace
from leveret.core.tracing import TRACEPARENT, TRACESTATE, Span, Tracer, taken_up

_IN_SCOPE: Final = "leveret.trace"


def begun(tracer: Tracer, scope: Scope, route: str) -> Span:
    """The span of this request, which the client's own is the parent of, if it names one."""
    given = Headers(scope=scope)
    parent = given.get(TRACEPARENT, "")
    state = ",".join(given.getlist(TRACESTATE)) if parent else ""
    span = tracer.request(scope["method"], route, taken_up(parent, state))
    scope[_IN_SCOPE] = span.trace
    return span


def trace_of(request: HTTPConnection) -> Trace | None:
    """What the predictions belong to that this request creates."""
    found: Trace | None = request.scope.get(_IN_SCOPE)
    return found
