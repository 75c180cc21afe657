"""Authentication: every request is somebody's, or is refused before anything else looks at it."""

from __future__ import annotations

import asyncio
import time
from hmac import compare_digest
from typing import Final

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from leveret.core import keys
from leveret.core.keys import ApiKey
from leveret.core.keys import Scope as KeyScope
from leveret.core.ports import ApiKeys
from leveret.errors import LeveretError, ScopeMissing, Unauthenticated, Unavailable
from leveret.gateway import problems
from leveret.gateway.identity import EVERYBODY, IN_SCOPE, NOBODY, Identity
from leveret.gateway.origins import Origins
from leveret.gateway.request import QuickHeaders

PERIOD: Final = 5.0
"""For so many seconds a gateway believes what it knows of a key: so long a revoked one may still be taken."""

_MOST: Final = 10_000
"""How many keys, and how many that are none, it remembers."""

WORKERS: Final = "/worker/"
"""What the paths begin with at which a worker needs a key of its own."""

_MODELS: Final = "/admin/v1/models/"
_OPEN: Final = ("/health/", "/docs", "/dashboard/")
_DOCUMENTS: Final = frozenset({"/", "/openapi.json", "/asyncapi.json"})
_READING: Final = frozenset({"GET", "HEAD", "QUERY", "OPTIONS"})

_log = structlog.get_logger()


def is_open(path: str) -> bool:
    """Whether everybody may ask, even while nobody can say who that is."""
    return path.startswith(_OPEN) or path in _DOCUMENTS


def needed(method: str, path: str) -> KeyScope | None:
    """The scope that a request needs; None: it is open to everybody, or has a link that stands for a key."""
    if is_open(path):
        return None
    if path.startswith("/v1/streams/") or (path.startswith("/v1/files/") and path.endswith("/download")):
        return None
    if path.startswith("/v1/"):
        reads = method in _READING and path != "/v1/webhooks/default/secret"
        return KeyScope.READ if reads else KeyScope.PREDICT
    counts = path == "/metrics" or (path.startswith(_MODELS) and path.endswith("/scale") and method in _READING)
    return KeyScope.METRICS if counts else KeyScope.ADMIN


class Keyring:
    """The keys as this gateway knows them. Until there is any, nobody is asked for one where that is `unguarded`.

    Once there was one it stays closed: neither the end of the last key nor a store that has lost its data opens it.
    """

    def __init__(self, store: ApiKeys, *, unguarded: bool) -> None:
        self.required = not unguarded
        self._store = store
        self._looked = False
        self._known: dict[str, tuple[ApiKey | None, float]] = {}
        self._used: dict[str, float] = {}

    async def run(self) -> None:
        """Look for ever whether there are keys, and note which are used."""
        while True:
            try:
                await self.renew()
            except Unavailable as error:
                _log.warning("keys not looked at", reason=str(error))
            await asyncio.sleep(PERIOD)

    async def renew(self) -> None:
        """Look now. Raises StoreUnavailable."""
        self.required = bool(await self._store.api_keys()) or self.required
        self._looked = True
        used, self._used = self._used, {}
        await self._store.keys_used(used)

    async def identify(self, authorization: str, scope: KeyScope | None) -> Identity:
        """Whose request this is. Raises Unauthenticated, ScopeMissing and StoreUnavailable."""
        if not self._looked:
            await self.renew()
        if not self.required:
            return EVERYBODY
        if scope is None:
            return await self._reader(authorization)
        key = await self._key(authorization)
        if not key.may(scope):
            raise ScopeMissing(scope=scope)
        self._used[key.digest] = time.time()
        return Identity(key.account)

    async def worker(self, authorization: str) -> Identity:
        """The worker whose request this is. It needs a key even where nobody else does. Raises what `identify` does."""
        key = await self._key(authorization)
        if not key.models:
            raise ScopeMissing(scope="worker:owner/name")
        self._used[key.digest] = time.time()
        return Identity(key.account, models=key.models)

    async def whose(self, socket: WebSocket) -> Identity:
        """Whose socket it is now: its key may have been revoked since it was opened. Raises what `identify` does."""
        return await self.identify(socket.headers.get("authorization", ""), KeyScope.PREDICT)

    async def _reader(self, authorization: str) -> Identity:
        """Whose request it is where a link may take the place of a key: clients send theirs to every address."""
        try:
            key = await self._key(authorization)
        except Unauthenticated:
            return NOBODY
        if not key.may(KeyScope.READ):
            return NOBODY
        self._used[key.digest] = time.time()
        return Identity(key.account)

    async def _key(self, authorization: str) -> ApiKey:
        kind, _, given = authorization.partition(" ")
        if kind.lower() not in ("bearer", "token") or not given:
            raise Unauthenticated(reason="there is no API key in the request")
        digest = keys.digest(given.strip())
        key = await self._found(digest)
        if key is None or not compare_digest(key.digest, digest):
            raise Unauthenticated(reason="this API key is not known, or was revoked")
        if not key.valid(at=time.time()):
            raise Unauthenticated(reason="this API key has expired")
        return key

    async def _found(self, digest: str) -> ApiKey | None:
        now = time.monotonic()
        known = self._known.get(digest)
        if known is not None and now < known[1]:
            return known[0]
        found = await self._store.key(digest)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[digest] = (found, now + PERIOD)
        return found


class Auth:
    """The middleware: puts the identity into the scope.

    Raises what `Keyring.identify` does, and OriginRefused; a socket is refused.
    """

    def __init__(self, app: ASGIApp, *, keyring: Keyring, origins: Origins) -> None:
        self._app = app
        self._keyring = keyring
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan" or is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["type"] == "http" else "POST"  # whoever has a socket may submit: see `whose`
        headers = QuickHeaders(scope=scope)
        try:
            authorization = headers.get("authorization", "")
            if scope["path"].startswith(WORKERS):
                by = await self._keyring.worker(authorization)
            else:
                by = await self._keyring.identify(authorization, needed(method, scope["path"]))
            if by.everything:
                self._origins.check(headers)
            scope[IN_SCOPE] = by
        except LeveretError as error:
            if scope["type"] == "http":
                raise
            await WebSocket(scope, receive, send).send_denial_response(problems.answer(error))
            return
        await self._app(scope, receive, send)
