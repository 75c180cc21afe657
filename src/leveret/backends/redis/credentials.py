"""Credentials: the API keys in Redis, each in a field of one hash, and when they were last used in another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from leveret.backends.redis import replies
from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.keys import Keys
from leveret.core.keys import ApiKey

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(ApiKey)


class RedisCredentials:
    """Implements core.ports.ApiKeys."""

    def __init__(self, *, batcher: Batcher, keys: Keys) -> None:
        self._batcher = batcher
        self._keys = keys

    async def add_key(self, key: ApiKey) -> None:
        """See core.ports.ApiKeys."""
        await self._batcher.send([("HSET", self._keys.credentials, key.digest, _encoder.encode(key))])

    async def key(self, digest: str) -> ApiKey | None:
        """See core.ports.ApiKeys."""
        (reply,) = await self._batcher.send([("HGET", self._keys.credentials, digest)])
        found = replies.text(reply)
        return None if found is None else _decoder.decode(found)

    async def api_keys(self) -> list[ApiKey]:
        """See core.ports.ApiKeys."""
        commands = [("HGETALL", self._keys.credentials), ("HGETALL", self._keys.credentials_used)]
        known, used = map(replies.mapping, await self._batcher.send(commands))
        found = [_decoder.decode(data) for data in known.values()]
        shown = [
            replace(one, used_at=float(used[digest])) if (digest := one.digest.encode()) in used else one
            for one in found
        ]
        return sorted(shown, key=lambda one: one.created_at)

    async def revoke_key(self, digest: str) -> None:
        """See core.ports.ApiKeys."""
        await self._batcher.send(
            [("HDEL", self._keys.credentials, digest), ("HDEL", self._keys.credentials_used, digest)]
        )

    async def keys_used(self, used: Mapping[str, float]) -> None:
        """See core.ports.ApiKeys."""
        if used:
            pairs = [part for digest, at in used.items() for part in (digest, repr(at))]
            await self._batcher.send([("HSET", self._keys.credentials_used, *pairs)])
