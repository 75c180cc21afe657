"""Probes: what a worker shows over HTTP to whoever starts, stops and watches it; nothing else is served there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
from starlette.types import Receive, Scope, Send

from leveret.core.meters import Exposed, Reading

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_JSON: Final = "application/json"

Wrong: TypeAlias = Callable[[], Awaitable[Mapping[str, str]]]
"""What is wrong, by the part that it is wrong with."""


class Probes:
    """Answers /health/live, /health/ready and /metrics."""

    def __init__(self, *, workers: Sequence[Wrong], meter: Exposed) -> None:
        self._workers = workers
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            return
        status, kind, body = await self._answer(scope["path"])
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, path: str) -> tuple[int, str, bytes]:
        match path:
            case "/health/live":
                return 200, _JSON, b'{"status":"live"}'
            case "/health/ready":
                wrong = await self._wrong()
                state = {"status": "not ready", **wrong} if wrong else {"status": "ready"}
                return 503 if wrong else 200, _JSON, msgspec.json.encode(state)
            case "/metrics":
                ready = Reading("leveret_ready", (), 0.0 if await self._wrong() else 1.0)
                return 200, _TEXT, self._meter.text([ready])
            case _:
                return 404, _JSON, b'{"detail":"there are /health/live, /health/ready and /metrics"}'

    async def _wrong(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for wrong in self._workers:
            found |= await wrong()
        return found
