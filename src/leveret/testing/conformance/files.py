"""What the gateway and the sweeper may expect of a Store's files and secrets."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
import os
import time

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.core.ports import Store
from leveret.core.prediction import Blob, new_id
from leveret.core.uploads import Upload, key
from leveret.errors import UploadNotFound

_LONG = 60.0


class FilesConformance:
    """expect, keep, file, files, forget, expired, and secret."""

    async def test_what_is_kept_is_found(self, store: Store) -> None:
        upload = _upload(name="naïve ☃.png")
        await store.expect(replace(upload, md5=""))

        await store.keep(upload)

        assert await store.file(upload.id) == upload
        assert await store.files("local", limit=10) == [upload]

    async def test_what_is_only_expected_is_not_there(self, store: Store) -> None:
        upload = _upload()

        await store.expect(upload)

        with pytest.raises(UploadNotFound) as caught:
            await store.file(upload.id)
        assert caught.value.data == {"upload_id": upload.id}
        assert await store.files("local", limit=10) == []

    async def test_they_are_listed_newest_first_by_pages_and_by_account(self, store: Store) -> None:
        mine = [await _kept(store, _upload(at=1.7e9 + number)) for number in range(5)]
        await _kept(store, _upload(account="other"))

        first = await store.files("local", limit=3)
        second = await store.files("local", before=first[-1].id, limit=3)

        assert first + second == mine[::-1]
        assert await store.files("nobody", limit=3) == []

    async def test_what_is_forgotten_is_gone(self, store: Store) -> None:
        gone, other = await _kept(store, _upload(lasts=-1)), await _kept(store, _upload())

        await store.forget(gone)
        await store.forget(gone)

        with pytest.raises(UploadNotFound):
            await store.file(gone.id)
        assert await store.files("local", limit=10) == [other]
        assert await store.expired(hold=0, limit=10) == []

    async def test_what_has_expired_is_answered_until_it_is_forgotten(self, store: Store) -> None:
        old = await _kept(store, _upload(lasts=-1))
        await _kept(store, _upload())

        assert await store.expired(hold=0, limit=10) == [old]
        assert await store.expired(hold=_LONG, limit=10) == [old]
        assert await store.expired(hold=_LONG, limit=10) == []
        await store.forget(old)

    async def test_what_never_came_expires_too(self, store: Store) -> None:
        upload = _upload(lasts=-1)
        await store.expect(upload)

        assert await store.expired(hold=_LONG, limit=10) == [upload]

    async def test_only_so_many_are_answered_at_once(self, store: Store) -> None:
        for _ in range(3):
            await _kept(store, _upload(lasts=-1))

        assert len(await store.expired(hold=_LONG, limit=2)) == 2
        assert len(await store.expired(hold=_LONG, limit=2)) == 1

    async def test_a_secret_is_made_once(self, store: Store) -> None:
        secrets = await asyncio.gather(*[store.secret("urls") for _ in range(5)])

        assert len(set(secrets)) == 1
        assert len(secrets[0]) >= 32
        assert await store.secret("urls") == secrets[0]
        assert await store.secret("other") != secrets[0]


def _upload(
    *, account: str = "local", at: float | None = None, lasts: float = 1000.0, name: str = "hare.txt"
) -> Upload:
    now = time.time()
    upload_id = new_id(now if at is None else at, os.urandom(10))
    blob = Blob(key(upload_id), 4, "ab" * 32, "text/plain")
    return Upload(
        id=upload_id,
        account=account,
        name=name,
        blob=blob,
        md5="cd" * 16,
        metadata=Raw(b'{"a":1}'),
        created_at=now,
        expires_at=now + lasts,
    )


async def _kept(store: Store, upload: Upload) -> Upload:
    await store.expect(upload)
    await store.keep(upload)
    return upload
