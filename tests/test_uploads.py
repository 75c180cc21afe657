"""Clients' files that have expired: bytes and record go, even if it takes two tries."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import Raw

from leveret.backends.files import FileBlobs
from leveret.core.prediction import Blob
from leveret.core.streams import once
from leveret.core.uploads import Upload
from leveret.errors import BlobNotFound, StoreUnavailable, UploadNotFound
from leveret.uploads import Uploads
from tests.worker.arrange import Embedded, opened

HOLD = 60.0


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Embedded]:
    async with opened(tmp_path) as family:
        yield family


async def kept(family: Embedded, number: int, *, lasts: float) -> Upload:
    upload_id = f"{number:026d}"
    blob = await family.blobs.put(f"files/{upload_id}", once(b"hare"), content_type="text/plain")
    now = time.time()
    upload = Upload(
        id=upload_id,
        account="local",
        name="hare",
        blob=blob,
        md5="",
        metadata=Raw(b"{}"),
        created_at=now,
        expires_at=now + lasts,
    )
    await family.store.keep(upload)
    return upload


async def content(family: Embedded, blob: Blob) -> bytes:
    return b"".join([chunk async for chunk in family.blobs.open(blob)])


async def test_what_has_expired_is_removed_and_nothing_else(family: Embedded) -> None:
    old = [await kept(family, number, lasts=-1) for number in range(3)]
    young = await kept(family, 9, lasts=1000)

    removed = await Uploads(files=family.store, blobs=family.blobs, hold=HOLD).remove_expired()

    assert 3 == removed
    for upload in old:
        with pytest.raises(UploadNotFound):
            await family.store.file(upload.id)
        with pytest.raises(BlobNotFound):
            await content(family, upload.blob)
    assert b"hare" == await content(family, (await family.store.file(young.id)).blob)


async def test_what_was_broken_off_is_done_again(family: Embedded, tmp_path: Path) -> None:
    class Broken(FileBlobs):
        async def delete(self, blob: Blob) -> None:
            raise StoreUnavailable(reason="it was switched off")

    old = await kept(family, 1, lasts=-1)
    with pytest.raises(StoreUnavailable):
        await Uploads(files=family.store, blobs=Broken(tmp_path), hold=0.0).remove_expired()
    await family.blobs.delete(old.blob)  # as far as another one got before it died

    assert 1 == await Uploads(files=family.store, blobs=family.blobs, hold=HOLD).remove_expired()
    assert [] == await family.store.expired(hold=0.0, limit=10)
