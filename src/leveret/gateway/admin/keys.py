"""API keys: made, listed and revoked."""

from __future__ import annotations

import os
import time
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from leveret.core import keys
from leveret.core.keys import ApiKey
from leveret.core.ports import ApiKeys
from leveret.errors import InvalidRequest, KeyNotFound
from leveret.gateway import body
from leveret.gateway.views import moment

_LARGEST: Final = 16 * 1024
_encoder: Final = msgspec.json.Encoder()


class Wanted(Struct, frozen=True, kw_only=True):
    """A key to be made; it can be used for `expires_in` seconds, or until it is revoked."""

    account: str = "local"
    scopes: list[str]
    name: str = ""
    expires_in: float | None = None


class KeyView(Struct, frozen=True, kw_only=True):
    """What is known of a key."""

    id: str
    account: str
    scopes: tuple[str, ...]
    name: str
    created_at: str
    expires_at: str | None
    used_at: str | None


class MadeKey(KeyView, frozen=True, kw_only=True):
    """A key that was made just now."""

    key: Annotated[str, Meta(description="the key itself; it is shown this once")]


class KeyList(Struct, frozen=True):
    """All of them."""

    results: list[KeyView]


_decoder: Final = msgspec.json.Decoder(Wanted)


class KeyPages:
    """The endpoints of API keys."""

    def __init__(self, *, store: ApiKeys) -> None:
        self._store = store

    async def list(self, _request: Request) -> Response:
        """All keys, oldest first."""
        found = [_view(key) for key in await self._store.api_keys()]
        return Response(_encoder.encode(KeyList(found)), media_type="application/json")

    async def create(self, request: Request) -> Response:
        """A new key."""
        wanted = body.decode(await body.read(request, limit=_LARGEST), _decoder)
        key, made = make(wanted, at=time.time(), randomness=os.urandom(keys.SIZE))
        await self._store.add_key(made)
        return Response(
            _encoder.encode(MadeKey(key=key, **msgspec.structs.asdict(_view(made)))), 201, media_type="application/json"
        )

    async def revoke(self, request: Request) -> Response:
        """Have a key not be taken any more."""
        key_id = str(request.path_params["key_id"])
        for key in await self._store.api_keys():
            if key.id == key_id:
                await self._store.revoke_key(key.digest)
                return Response(status_code=204)
        raise KeyNotFound(key_id=key_id)


def make(wanted: Wanted, *, at: float, randomness: bytes) -> tuple[str, ApiKey]:
    """A key, and what is kept of it. Raises InvalidRequest."""
    if not keys.ACCOUNT.fullmatch(wanted.account):
        raise InvalidRequest(reason="`account` must be 1 to 63 lower case letters, digits, '-', '_' or '.'")
    for scope in wanted.scopes:
        if not keys.is_scope(scope):
            known = ", ".join(keys.Scope)
            raise InvalidRequest(reason=f"{scope!r} is no scope; there are {known} and worker:owner/name")
    if not wanted.scopes:
        raise InvalidRequest(reason="a key needs at least one scope")
    if wanted.expires_in is not None and not 0 < wanted.expires_in < 1e9:
        raise InvalidRequest(reason="`expires_in` must be a number of seconds above 0")
    key = keys.new_key(randomness)
    return key, ApiKey(
        digest=keys.digest(key),
        account=wanted.account,
        scopes=tuple(dict.fromkeys(wanted.scopes)),
        name=wanted.name[:200],
        created_at=at,
        expires_at=None if wanted.expires_in is None else at + wanted.expires_in,
    )


def _view(key: ApiKey) -> KeyView:
    return KeyView(
        id=key.id,
        account=key.account,
        scopes=key.scopes,
        name=key.name,
        created_at=moment(key.created_at),
        expires_at=None if key.expires_at is None else moment(key.expires_at),
        used_at=None if key.used_at is None else moment(key.used_at),
    )
