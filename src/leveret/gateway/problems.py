"""Problems: every error as `application/problem+json` (RFC 9457), whoever raises it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, TypeAlias

import msgspec
import structlog
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match

from leveret.errors import BadRequest, LeveretError, MethodNotAllowed, PathNotFound, Unauthenticated, Unavailable

MEDIA_TYPE: Final = "application/problem+json"

RETRY_AFTER: Final = "2"
"""Seconds after which a client may try again what was unavailable."""

_Handler: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]

_log = structlog.get_logger()
_encoder: Final = msgspec.json.Encoder(enc_hook=str)


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong. `code` is stable; what the error is about stands beside these members."""

    type: str
    title: str
    status: int
    detail: str
    code: str


def answer(error: LeveretError, *, headers: Mapping[str, str] | None = None) -> Response:
    """The error as a response."""
    return Response(content(error), error.status, headers={**_advice(error), **(headers or {})}, media_type=MEDIA_TYPE)


def _advice(error: LeveretError) -> Mapping[str, str]:
    match error:
        case Unavailable():
            return {"Retry-After": RETRY_AFTER}
        case Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="leveret"'}
        case _:
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


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, LeveretError)  # noqa: S101 - this is what it is registered for
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, Unavailable):
        _log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    return answer(error)


async def _of_the_router(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - this is what it is registered for
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return answer(PathNotFound(path=request.url.path))
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return answer(MethodNotAllowed(method=request.method), headers={"Allow": _allowed(request)})
        case _:
            return answer(BadRequest(reason=error.detail))


async def _unexpected(_request: Request, _error: Exception) -> Response:
    """The server logs the error itself: Starlette raises it again once this is sent."""
    return answer(LeveretError())


async def _incomplete(_request: Request, _error: Exception) -> Response:
    """The client has gone before its request was complete: nobody reads this."""
    return answer(BadRequest(reason="it is not complete"))


def _allowed(request: Request) -> str:
    """Every method that some route takes at this path."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in routes for method in route.methods}))


HANDLERS: Final[Mapping[type[Exception], _Handler]] = {
    LeveretError: _ours,
    HTTPException: _of_the_router,
    ClientDisconnect: _incomplete,
    Exception: _unexpected,
}
"""For Starlette: which error is answered by whom."""
