"""Naming: every request has an id, which its client learns and the lines of the log about it say."""

from __future__ import annotations

import re
import secrets
from typing import Final

import structlog
from starlette.types import Message, Scope, Send

_HEADER: Final = b"x-request-id"
_TAKEN: Final = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
_SIZE: Final = 8


def named(scope: Scope, send: Send) -> Send:
    """Names the request, as its client or a proxy has if that is harmless; the answer has the header X-Request-Id."""
    given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
    # What could be a key is not taken: ids are logged.
    name = given if _TAKEN.fullmatch(given) and not given.startswith(b"lv_") else secrets.token_hex(_SIZE).encode()
    structlog.contextvars.bind_contextvars(request_id=name.decode())

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (_HEADER, name)]
        await send(message)

    return sent
