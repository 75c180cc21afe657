"""Naming: every request has an id, which its client learns and the lines of the log about it say."""

from __future__ import annotations

import itertools
import re
import secrets
from typing import Final

import structlog
from starlette.types import Message, Scope, Send

_HEADER: Final = b"x-request-id"
_TAKEN: Final = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
_SIZE: Final = 6


class Names:
    """Names requests: by what this process has drawn for itself, and a number. Ids are no secrets."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(_SIZE).encode()
        self._numbers = itertools.count(1)

    def named(self, scope: Scope, send: Send) -> Send:
        """The id is what the client or a proxy says, if that is harmless; the answer has it as X-Request-Id."""
        name = _given(scope) or b"%b-%x" % (self._process, next(self._numbers))
        structlog.contextvars.bind_contextvars(request_id=name.decode())

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_HEADER, name)]
            await send(message)

        return sent


def _given(scope: Scope) -> bytes:
    for header, value in scope["headers"]:
        if header == _HEADER:
            # What could be a key is not taken: ids are logged.
            return value if _TAKEN.fullmatch(value) and not value.startswith(b"lv_") else b""
    return b""
