"""Large values through a gateway: streamed both ways, and compared with their SHA-256 here."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import msgspec

from leveret.backends.gateway.connection import LOST, Connector, pause
from leveret.backends.gateway.refusals import about_blob
from leveret.backends.measured import Measured
from leveret.core import worker_api
from leveret.core.prediction import BLOB_KEY, Blob
from leveret.errors import BlobDamaged, BlobNotFound, GatewayRefused, InvalidRequest, StoreUnavailable

RETRIES: Final = 8
"""How often in a row reading is taken up again that has broken off, and deleting tried again."""

_CONNECTIONS: Final = 8
_decoder: Final = msgspec.json.Decoder(Blob)


class RemoteBlobs:
    """Implements core.ports.Blobs, but for `clear`: a worker removes no more than what it has put itself."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._path = connector.address.path + worker_api.BLOBS
        self._free = asyncio.Semaphore(_CONNECTIONS)

    async def put(self, key: str, stream: AsyncIterable[bytes], *, content_type: str) -> Blob:
        """See core.ports.Blobs. Raises InvalidRequest for a key that is not one, and StoreUnavailable."""
        if not BLOB_KEY.fullmatch(key):
            raise InvalidRequest(reason=f"{key!r} is no key of a blob: use letters, digits, '-', '_', '.' and '/'")
        sent = Measured(stream)
        path = f"{self._path}?{urlencode({'key': key, 'type': content_type})}"
        try:
            async with self._free, self._connector.borrow() as connection:
                response = await connection.upload(path, sent.chunks())
        except LOST as error:
            if error is sent.error:
                raise
            raise _unavailable(error) from error
        if response.status != HTTPStatus.CREATED:
            raise about_blob(response.status, response.taken(), key=key)
        blob = Blob(key=key, size=sent.size, sha256=sent.digest.hexdigest(), content_type=content_type)
        if _stored(response.taken()) != blob:
            raise StoreUnavailable(reason=f"the large value {key!r} has not arrived as it was sent")
        return blob

    async def open(self, blob: Blob, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """See core.ports.Blobs. What breaks off is taken up again where it was."""
        if not BLOB_KEY.fullmatch(blob.key):
            raise BlobNotFound(key=blob.key)
        offset, end = blob.span(start, length)
        whole, digest, last, failures = (offset, end) == (0, blob.size), hashlib.sha256(), b"", 0
        while True:
            try:
                async with self._part(blob, offset, end) as chunks:
                    async for chunk in chunks:
                        offset, failures = offset + len(chunk), 0
                        digest.update(chunk)
                        if last:
                            yield last
                        last = chunk
                break
            except LOST as error:
                failures += 1
                if failures > RETRIES:
                    raise _unavailable(error) from error
            await asyncio.sleep(pause(failures))
        _check(blob, offset, end, digest.hexdigest() if whole else blob.sha256)
        if last:
            yield last

    async def delete(self, blob: Blob) -> None:
        """See core.ports.Blobs."""
        if not BLOB_KEY.fullmatch(blob.key):
            return
        failures = 0
        while True:
            try:
                return await self._delete(blob)
            except LOST as error:
                failures += 1
                if failures > RETRIES:
                    raise _unavailable(error) from error
            await asyncio.sleep(pause(failures))

    async def clear(self, folder: str) -> None:
        """See core.ports.Blobs. Raises GatewayRefused."""
        raise GatewayRefused(detail=f"a worker may not clear {folder!r}: its gateway does when the time is over")

    async def _delete(self, blob: Blob) -> None:
        async with self._free, self._connector.borrow() as connection:
            response = await connection.exchange("DELETE", f"{self._path}?{_query(blob)}")
        if response.status != HTTPStatus.NO_CONTENT:
            raise _refusal(response.status, response.taken(), blob)

    @asynccontextmanager
    async def _part(self, blob: Blob, start: int, end: int) -> AsyncIterator[AsyncGenerator[bytes, None]]:
        path = f"{self._path}?{_query(blob)}&start={start}&length={end - start}"
        async with self._free, self._connector.borrow() as connection, connection.download(path) as (status, chunks):
            if status != HTTPStatus.OK:
                raise _refusal(status, b"".join([chunk async for chunk in chunks]), blob)
            yield chunks


def _query(blob: Blob) -> str:
    return urlencode({"key": blob.key, "size": blob.size, "sha256": blob.sha256})


def _check(blob: Blob, offset: int, end: int, sha256: str) -> None:
    if offset != end:
        raise BlobDamaged(key=blob.key, reason=f"it ends after {offset} of {end} bytes")
    if sha256 != blob.sha256:
        raise BlobDamaged(key=blob.key, reason="its SHA-256 is another one")


def _refusal(status: int, body: bytes, blob: Blob) -> Exception:
    """The error; a ConnectionError where another try may do better."""
    error = about_blob(status, body, key=blob.key)
    if isinstance(error, StoreUnavailable) and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ConnectionError(str(error))
    return error


def _stored(body: bytes) -> Blob | None:
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError:
        return None


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(reason=f"its large values: {str(error) or type(error).__name__}")
