"""What a gateway may expect of a Store's API keys: add_key, key, api_keys, revoke_key, keys_used."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

from msgspec.structs import replace

from leveret.core.keys import ApiKey, digest
from leveret.core.ports import Store

KEY = ApiKey(digest=digest("lv_a"), account="alice", scopes=("predict", "admin"), created_at=1.7e9, name="a ☃")
OTHER = replace(KEY, digest=digest("lv_b"), created_at=1.6e9, expires_at=1.8e9)


class KeysConformance:
    """Every test takes the fixture `store`."""

    async def test_a_key_is_found_by_its_digest_as_it_was_added(self, store: Store) -> None:
        await store.add_key(KEY)
        await store.add_key(OTHER)

        assert await store.key(KEY.digest) == KEY
        assert await store.key(OTHER.digest) == OTHER
        assert await store.key(digest("lv_c")) is None
        assert await store.api_keys() == [OTHER, KEY]

    async def test_a_revoked_key_is_not_found(self, store: Store) -> None:
        await store.add_key(KEY)
        for _ in range(2):
            await store.revoke_key(KEY.digest)

        assert await store.key(KEY.digest) is None
        assert await store.api_keys() == []

    async def test_when_a_key_was_last_used_is_noted(self, store: Store) -> None:
        await store.add_key(KEY)
        await store.keys_used({})
        for at in (1.71e9, 1.72e9):
            await store.keys_used({KEY.digest: at})

        assert await store.api_keys() == [replace(KEY, used_at=1.72e9)]
