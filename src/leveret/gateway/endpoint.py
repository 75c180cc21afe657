"""An endpoint: a function of a request, as the application that a route calls."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from leveret.core.meters import Meter

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
        response = await self._handler(Request(scope, receive, send))
        self._meter.request(self._path, response.status_code, time.perf_counter() - began)
        await response(scope, receive, send)
