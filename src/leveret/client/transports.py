"""The transports: what carries the requests, one that blocks and one for an event loop, both by httpx2."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, Final, TypeAlias

import httpx2
from msgspec import Struct

from leveret.client.exchange import Answer, Lost, Opened, Request
from leveret.client.trust import Trust, ended_early, refuse
from leveret.config import GATEWAY_URL
from leveret.errors import InvalidRequest, InvalidSetting, LeveretError

SILENCE: Final = 60.0
"""Seconds after which a silent stream counts as broken, at least: a gateway says something every 15."""

_UNSENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

_Files: TypeAlias = dict[str, tuple[str, BinaryIO, str]]


class Address(Struct, frozen=True):
    """Where a gateway is and how to talk to it. The token is told to nobody else."""

    url: str
    token: str | None
    timeout: float
    trust: Trust

    @classmethod
    def found(cls, url: str | None, *, token: str | None, timeout: float, trust: Trust) -> Address:
        """The address as the arguments say it, or else the environment."""
        url = url or os.environ.get("LEVERET_URL") or GATEWAY_URL
        return cls(url.rstrip("/"), token or os.environ.get("LEVERET_TOKEN"), timeout, trust)

    def built(
        self,
        client: httpx2.Client | httpx2.AsyncClient,
        request: Request,
        *,
        silence: float = 0.0,
        files: _Files | None = None,
    ) -> httpx2.Request:
        """The request as the driver knows it. Raises InvalidSetting, or InvalidRequest if it is the request's URL."""
        try:
            home = httpx2.URL(self.url + "/")
            url = httpx2.URL(request.path) if "://" in request.path else httpx2.URL(self.url + request.path)
        except httpx2.InvalidURL as error:
            raise self._mistake(request, error) from error
        headers = dict(request.headers)
        if self.token and _origin(url) == _origin(home):
            headers["Authorization"] = f"Bearer {self.token}"
        return client.build_request(
            request.method,
            url,
            params=dict(request.parameters) or None,
            headers=headers,
            content=request.content or None,
            files=files,
            timeout=httpx2.Timeout(self.timeout, read=max(self.timeout, silence) + request.wait),
        )

    def lost(self, request: Request, error: httpx2.HTTPError) -> Lost:
        """What the error means. Raises InvalidSetting, InvalidRequest or CertificateRefused, if it is a mistake."""
        if isinstance(error, httpx2.UnsupportedProtocol):
            raise self._mistake(request, error) from error
        lost = _lost(error)
        return Lost(lost.reason + ended_early(error), sent=lost.sent)

    def _mistake(self, request: Request, error: Exception) -> LeveretError:
        if "://" in request.path:
            return InvalidRequest(reason=f"{request.path[:80]!r} is no URL that can be asked ({error})")
        return InvalidSetting(name="url", source="--url or LEVERET_URL (base_url of a client)", reason=str(error))


class Blocking:
    """Carries requests in the caller's thread: no method returns before it is done."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client = httpx2.Client(timeout=address.timeout, mounts=address.trust.mounts(address.url))

    def clock(self) -> float:
        """See Transport."""
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        """See Transport."""
        time.sleep(seconds)  # noqa: ASYNC251 - it is meant to block

    async def send(self, request: Request) -> Answer | Lost:
        """See Transport."""
        with _files(request) as files:
            built = self._address.built(self._client, request, files=files)
            try:
                return _answer(self._client.send(built))
            except httpx2.HTTPError as error:
                return self._address.lost(request, error)

    async def open(self, request: Request) -> Opened | Answer | Lost:
        """See Transport."""
        built = self._address.built(self._client, request, silence=SILENCE)
        try:
            response = self._client.send(built, stream=True, follow_redirects=request.redirects)
            if response.is_success:
                return Opened(response.status_code, _headers(response), _BlockingBody(response))
            try:
                response.read()
            finally:
                response.close()
            return _answer(response)
        except httpx2.HTTPError as error:
            return self._address.lost(request, error)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()


class Looping:
    """Carries requests in an event loop."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client = httpx2.AsyncClient(timeout=address.timeout, mounts=address.trust.async_mounts(address.url))

    def clock(self) -> float:
        """See Transport."""
        return time.monotonic()

    async def pause(self, seconds: float) -> None:
        """See Transport."""
        await asyncio.sleep(seconds)

    async def send(self, request: Request) -> Answer | Lost:
        """See Transport."""
        with _files(request) as files:
            built = self._address.built(self._client, request, files=files)
            try:
                return _answer(await self._client.send(built))
            except httpx2.HTTPError as error:
                return self._address.lost(request, error)

    async def open(self, request: Request) -> Opened | Answer | Lost:
        """See Transport."""
        built = self._address.built(self._client, request, silence=SILENCE)
        try:
            response = await self._client.send(built, stream=True, follow_redirects=request.redirects)
            if response.is_success:
                return Opened(response.status_code, _headers(response), _LoopingBody(response))
            try:
                await response.aread()
            finally:
                await response.aclose()
            return _answer(response)
        except httpx2.HTTPError as error:
            return self._address.lost(request, error)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


class _BlockingBody:
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._chunks: Iterator[bytes] = response.iter_bytes()

    async def read(self) -> bytes | Lost:
        try:
            return next(self._chunks, b"")
        except httpx2.HTTPError as error:
            return _lost(error)

    async def close(self) -> None:
        self._response.close()


class _LoopingBody:
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._chunks: AsyncIterator[bytes] = response.aiter_bytes()

    async def read(self) -> bytes | Lost:
        try:
            return await anext(self._chunks, b"")
        except httpx2.HTTPError as error:
            return _lost(error)

    async def close(self) -> None:
        await self._response.aclose()


def _answer(response: httpx2.Response) -> Answer:
    return Answer(response.status_code, _headers(response), response.content)


def _headers(response: httpx2.Response) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _lost(error: httpx2.HTTPError) -> Lost:
    """Raises CertificateRefused."""
    refuse(error)
    return Lost(str(error) or type(error).__name__, sent=not isinstance(error, _UNSENT))


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


@contextmanager
def _files(request: Request) -> Iterator[_Files | None]:
    """The file as a part of a form, open while it is sent."""
    if request.upload is None:
        yield None
        return
    with request.upload.open() as file:
        yield {"content": (request.upload.name or "file", file, request.upload.content_type)}
