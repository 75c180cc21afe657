"""An endpoint: a function of a request, as the application that a route calls."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from leveret.core.meters import Meter
from leveret.core.tracing import Tracer
from leveret.errors import LeveretError
from leveret.gateway.request import Request
from leveret.gateway.tracing import begun

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class Endpoint:
    """Calls the handler and sends what it answers. What is raised goes on: Starlette would look for it here, too."""

    def __init__(self, path: str, handler: Handler, *, meter: Meter) -> None:
        self._path = path
        self._handler = handler
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        began = time.perf_counter()
        try:
            response = await self._handler(Request(scope, receive, send))
        except ClientDisconnect:  # nobody gets an answer
            raise
        except Exception as error:
            self._count(error.status if isinstance(error, LeveretError) else LeveretError.status, began)
            raise
        self._count(response.status_code, began)
        await response(scope, receive, send)

    def _count(self, status: int, began: float) -> None:
        self._meter.request(self._path, status, time.perf_counter() - began)


def traced(path: str, handler: Handler, *, tracer: Tracer) -> Handler:
    """The handler, whose requests create predictions, in a span for each."""

    async def answer(request: Request) -> Response:
        with begun(tracer, request.scope, path) as span:
            try:
                response = await handler(request)
            except LeveretError as error:
                span.end(status=error.status, error=error.code)
                raise
            span.end(status=response.status_code)
            return response

    return answer
