"""Fetching: reads a file from a URL that a client has chosen, within limits, wherever its redirects lead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import PurePosixPath
from ssl import SSLContext
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx2
from msgspec import Struct

from leveret.errors import HostUnresolved, InputUnreadable, UrlForbidden
from leveret.outbound.guard import Guard
from leveret.outbound.transport import open_client

MOST_REDIRECTS: Final = 5

_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "leveret"}


class Fetched(Struct, frozen=True):
    """A file that is being read: what its server says of it, and its content."""

    content_type: str
    name: str
    content: AsyncIterable[bytes]


class Fetcher:
    """Fetches files of at most `most` bytes, each within `timeout` seconds.

    Each by a client of its own: no cookie that one server sets for one file is sent along for another.
    """

    def __init__(self, guard: Guard, *, most: int, timeout: float) -> None:
        self._guard = guard
        self._most = most
        self._timeout = timeout
        self._tls: SSLContext | None = None

    @asynccontextmanager
    async def fetch(self, url: str) -> AsyncIterator[Fetched]:
        """The file, to be read inside of the block. Raises InputUnreadable, there too."""
        try:
            async with asyncio.timeout(self._timeout), self._answer(url) as answer:
                kind = answer.headers.get("content-type", "")
                name = PurePosixPath(unquote(urlsplit(url).path)).name
                yield Fetched(kind, name, self._content(answer, url))
        except TimeoutError as error:
            raise InputUnreadable(what=shown(url), reason=f"it took longer than {self._timeout:g} seconds") from error
        except (UrlForbidden, HostUnresolved, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise InputUnreadable(what=shown(url), reason=str(error) or type(error).__name__) from error

    @asynccontextmanager
    async def _answer(self, url: str) -> AsyncIterator[httpx2.Response]:
        if self._tls is None:
            self._tls = await asyncio.to_thread(httpx2.create_ssl_context)  # which reads a lot of certificates
        client = open_client(self._guard, patience=self._timeout, verify=self._tls)
        async with client as asking, AsyncExitStack() as answers:
            for _ in range(MOST_REDIRECTS + 1):
                answer = await answers.enter_async_context(asking.stream("GET", url, headers=_HEADERS))
                if answer.next_request is None:
                    break
                url = str(answer.next_request.url)
            else:
                raise InputUnreadable(what=shown(url), reason=f"there are more than {MOST_REDIRECTS} redirects")
            if not answer.is_success:
                raise InputUnreadable(what=shown(url), reason=f"its server answered {answer.status_code}")
            yield answer

    async def _content(self, answer: httpx2.Response, url: str) -> AsyncGenerator[bytes, None]:
        declared = answer.headers.get("content-length", "")
        if declared.isdecimal() and len(declared) < 20 and int(declared) > self._most:
            raise self._too_large(url)
        size = 0
        async for chunk in answer.aiter_bytes():
            size += len(chunk)
            if size > self._most:
                raise self._too_large(url)
            yield chunk

    def _too_large(self, url: str) -> InputUnreadable:
        return InputUnreadable(what=shown(url), reason=f"it is larger than {self._most} bytes")


def shown(url: str) -> str:
    """The file at this URL as it may be told: without the query, which may be secret."""
    return "the file at " + url.partition("#")[0].partition("?")[0][:500]
