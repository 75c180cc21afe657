"""The transport: HTTP to exactly the addresses that the guard has looked at, whatever their name leads to by then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ssl import SSLContext

import httpx2

from leveret.outbound.guard import Guard


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """Resolves and checks once for each request, then connects to what was checked.

    The request still asks for the host by its name, in the `Host` header as in TLS. A connection carries one request:
    connections are pooled by address, and one that was made for a name must not serve another.
    """

    def __init__(self, guard: Guard, *, verify: SSLContext | bool = True) -> None:
        super().__init__(verify=verify, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0))
        self._guard = guard

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it. Raises UrlForbidden, HostUnresolved or httpx2.HTTPError."""
        target = await self._guard.resolve(str(request.url))
        *others, last = target.addresses
        for address in others:
            try:
                return await super().handle_async_request(_pinned(request, target.host, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue  # such as IPv6 where there is none
        return await super().handle_async_request(_pinned(request, target.host, last))


@asynccontextmanager
async def open_client(
    guard: Guard, *, patience: float, verify: SSLContext | bool = True
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that goes only where the guard lets it, follows no redirect and uses no proxy.

    `patience`, in seconds, is for each phase of a request; a limit for the whole is for the caller to set.
    """
    transport = GuardedTransport(guard, verify=verify)
    async with httpx2.AsyncClient(
        transport=transport, timeout=patience, follow_redirects=False, trust_env=False
    ) as client:
        yield client


def _pinned(request: httpx2.Request, host: str, address: str) -> httpx2.Request:
    """The same request to this address. Its `Host` header has been set before."""
    return httpx2.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )
