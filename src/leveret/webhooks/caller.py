"""The caller: one signed HTTP request to a webhook, and what came of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final

import httpx2
from msgspec import Struct

from leveret.core import signature, tracing
from leveret.core.prediction import Trace
from leveret.core.wire import CONTENT_TYPE
from leveret.errors import HostUnresolved, UrlForbidden

_GONE: Final = 410
_HEADERS: Final = {"content-type": CONTENT_TYPE, "user-agent": f"leveret/{version('leveret')}"}


class Answer(Struct, frozen=True):
    """What came of a call after so many seconds: a status, or the reason why there is none.

    `wish` is after how many seconds the receiver wants to be called again.
    """

    seconds: float
    status: int | None = None
    error: str | None = None
    wish: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the receiver has what it was called for. A redirect is a refusal."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no calls any more."""
        return self.status == _GONE


class Caller:
    """Calls webhooks by a client that guards where it goes. A whole call takes `patience` seconds at most."""

    def __init__(self, *, client: httpx2.AsyncClient, patience: float) -> None:
        self._client = client
        self._patience = patience

    async def call(self, url: str, *, secret: str, webhook_id: str, body: bytes, trace: Trace | None = None) -> Answer:
        """Call it once, as a part of the trace."""
        signed = signature.headers(secret, webhook_id=webhook_id, at=int(time.time()), body=body)
        headers = {**_HEADERS, **signed, **tracing.headers(trace)}
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._patience), self._post(url, headers, body) as answer:
                status, wish = answer.status_code, retry_after(answer.headers.get("retry-after"), now=time.time())
            return Answer(time.monotonic() - began, status=status, wish=wish)
        except TimeoutError:
            error = f"no answer within {self._patience:g} seconds"
        except (UrlForbidden, HostUnresolved) as refused:
            error = str(refused)
        except (httpx2.HTTPError, httpx2.InvalidURL) as failed:
            error = f"{type(failed).__name__}: {failed}" if str(failed) else type(failed).__name__
        return Answer(time.monotonic() - began, error=error)

    def _post(self, url: str, headers: dict[str, str], body: bytes) -> AbstractAsyncContextManager[httpx2.Response]:
        """The answer, of which nobody reads more than its head."""
        return self._client.stream("POST", url, headers=headers, content=body)


def retry_after(given: str | None, *, now: float) -> float | None:
    """The seconds that a `Retry-After` header asks for, be it seconds or a date; None if it says nothing clear."""
    if given is None:
        return None
    text = given.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:10])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
