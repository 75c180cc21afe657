"""Tracing: the requests that create predictions take up the traces of their clients."""

from __future__ import annotations

from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import Scope

from leveret.core.prediction import Trace
from leveret.core.tracing import TRACEPARENT, TRACESTATE, Span, Tracer, taken_up
from leveret.gateway.request import QuickHeaders

_PARENT: Final = TRACEPARENT.encode()
_IN_SCOPE: Final = "leveret.trace"


def begun(tracer: Tracer, scope: Scope, route: str) -> Span:
    """The span of this request, which the client's own is the parent of, if it names one."""
    span = tracer.request(scope["method"], route, _parent(scope))
    scope[_IN_SCOPE] = span.trace
    return span


def _parent(scope: Scope) -> Trace | None:
    if all(name != _PARENT for name, _ in scope["headers"]):  # most have none
        return None
    given = QuickHeaders(scope=scope)
    return taken_up(given.get(TRACEPARENT, ""), ",".join(given.getlist(TRACESTATE)))


def trace_of(request: HTTPConnection) -> Trace | None:
    """What the predictions belong to that this request creates."""
    found: Trace | None = request.scope.get(_IN_SCOPE)
    return found
