"""Large values through a gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator

import pytest
from msgspec.structs import replace

from leveret.backends.gateway.blobs import RemoteBlobs
from leveret.core.ports import Blobs
from leveret.core.prediction import Blob
from leveret.errors import BlobDamaged, BlobNotFound
from leveret.testing.conformance.arrange import a_run
from leveret.testing.conformance.blobs import ContentConformance
from tests.backends.gateway.conftest import a_worker
from tests.gateway.served import Gateway


class OfARun:
    """The values of one run that is under way: a worker has no others to put."""

    def __init__(self, blobs: RemoteBlobs, folder: str) -> None:
        self._blobs = blobs
        self._folder = folder

    async def put(self, key: str, stream: AsyncIterable[bytes], *, content_type: str) -> Blob:
        blob = await self._blobs.put(self._folder + key, stream, content_type=content_type)
        return replace(blob, key=blob.key.removeprefix(self._folder))

    async def open(self, blob: Blob, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in self._blobs.open(self._there(blob), start=start, length=length):
                yield chunk
        except (BlobNotFound, BlobDamaged) as error:
            raise type(error)(**{**error.data, "key": blob.key}) from error

    async def delete(self, blob: Blob) -> None:
        await self._blobs.delete(self._there(blob))

    async def clear(self, folder: str) -> None:
        await self._blobs.clear(self._folder + folder)

    def _there(self, blob: Blob) -> Blob:
        return replace(blob, key=self._folder + blob.key)


@pytest.fixture
async def blobs(gateway: Gateway) -> AsyncIterator[Blobs]:
    run = await a_run(gateway.store)
    async with a_worker(gateway, "worker:local/echo") as (_, blobs):
        yield OfARun(blobs, f"outputs/{run.id}/{run.attempt}/")


class TestRemoteBlobs(ContentConformance):
    """All that workers need."""
