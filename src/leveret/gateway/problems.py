"""Problems: every error as `application/problem+json` (RFC 9457), whoever raises it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from leveret.core.meters import Meter
from leveret.errors import BadRequest, LeveretError, MethodNotAllowed, PathNotFound, Unauthenticated, Unavailable
from leveret.gateway.naming import Names

MEDIA_TYPE: Final = "application/problem+json"

RETRY_AFTER: Final = "2"
"""Seconds after which a client may try again what was unavailable."""

_log = structlog.get_logger()
_encoder: Final = msgspec.json.Encoder(enc_hook=str)


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong. `code` is stable; what the error is about stands beside these members."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class Problems:
    """The outermost layer: answers whatever is raised below it.

    It takes the place of Starlette's two, which hold three times as many frames open for as long as a stream lasts.
    """

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute], meter: Meter) -> None:
        self._app = app
        self.routes = routes
        self._meter = meter
        self._names = Names()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI. What nobody expected is raised again once it is answered, for the server to log."""
        scope["app"] = self  # without it the router answers by itself what it does not find
        if scope["type"] == "http":
            send = self._names.named(scope, send)
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if scope["type"] != "http":
                raise
            told = _told(error, scope)
            self._meter.refused(told.code)
            try:
                await self._response(told, scope)(scope, receive, send)
            except RuntimeError:  # the server says so: an answer has begun already; it can only be cut off
                raise error from None
            if not isinstance(error, LeveretError | HTTPException | ClientDisconnect):
                raise

    def _response(self, told: LeveretError, scope: Scope) -> Response:
        if isinstance(told, MethodNotAllowed):
            return answer(told, headers={"Allow": _allowed(scope, self.routes)})
        return answer(told)


def answer(error: LeveretError, *, headers: Mapping[str, str] | None = None) -> Response:
    """The error as a response."""
    return Response(content(error), error.status, headers={**_advice(error), **(headers or {})}, media_type=MEDIA_TYPE)


def _advice(error: LeveretError) -> Mapping[str, str]:
    after = error.data.get("retry_after")
    if isinstance(after, int | float):
        return {"Retry-After": str(max(1, math.ceil(after)))}
    if isinstance(error, Unavailable):
        return {"Retry-After": RETRY_AFTER}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": 'Bearer realm="leveret"'}
    return {}


def content(error: LeveretError) -> bytes:
    """The error as a problem in JSON."""
    problem = Problem(
        type=f"urn:leveret:problem:{error.code}",
        title=error.code.replace("_", " ").capitalize(),
        status=error.status,
        detail=str(error),
        code=error.code,
    )
    return _encoder.encode({**msgspec.structs.asdict(problem), **_about(error)})


def _about(error: LeveretError) -> Mapping[str, object]:
    return {name: value for name, value in error.data.items() if name not in Problem.__struct_fields__}


def _told(error: Exception, scope: Scope) -> LeveretError:
    """The error as its client is told of it."""
    match error:
        case LeveretError():
            if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, Unavailable):
                _log.error("request failed", method=scope["method"], path=scope["path"], exc_info=error)
            return error
        case HTTPException(status_code=HTTPStatus.NOT_FOUND):
            return PathNotFound(path=scope["path"])
        case HTTPException(status_code=HTTPStatus.METHOD_NOT_ALLOWED):
            return MethodNotAllowed(method=scope["method"])
        case HTTPException(detail=detail):
            return BadRequest(reason=detail)
        case ClientDisconnect():  # nobody reads this
            return BadRequest(reason="it is not complete")
        case _:
            return LeveretError()


def _allowed(scope: Scope, routes: Sequence[BaseRoute]) -> str:
    """Every method that some route takes at this path."""
    fitting = [route for route in routes if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in fitting for method in route.methods or ()}))
