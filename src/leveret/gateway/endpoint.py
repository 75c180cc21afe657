"""An endpoint: a function of a request, as the application that a route calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class Endpoint:
    """Calls the handler and sends what it answers. What is raised goes on: Starlette would look for it here, too."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        response = await self._handler(Request(scope, receive, send))
        await response(scope, receive, send)


def at(path: str, handler: Handler, *, method: str = "GET") -> Route:
    """The route to it; GET takes HEAD, too."""
    return Route(path, Endpoint(handler), methods=[method])
