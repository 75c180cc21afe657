"""Blobs in an object store: S3 and what speaks like it, by obstore; for installations on many machines.

Keys and credentials are those of the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
AWS_ENDPOINT_URL and so on.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from leveret.backends.measured import Measured
from leveret.core.prediction import BLOB_KEY, Blob
from leveret.errors import BlobDamaged, BlobNotFound, InvalidRequest, InvalidSetting, StoreUnavailable

if TYPE_CHECKING:
    from obstore import GetOptions

SCHEMES: Final = ("s3://", "gs://", "az://")

PART: Final = 8 * 1024 * 1024
"""How much is sent as one part of an upload, in bytes; S3 takes 10,000 of them, which is 78 GiB."""

PARTS_AT_ONCE: Final = 2
"""So many parts of one upload are in memory."""

CHUNK: Final = 256 * 1024
"""How much is read in one go at least, in bytes."""

_PATIENCE: Final = timedelta(seconds=10)
"""For how long a request is tried again that a server was too busy for, or did not answer."""

_CONNECT: Final = timedelta(seconds=5)


def open_objects(url: str) -> ObjectBlobs:
    """The blobs in the bucket of this URL, below its path. Nothing is asked of it yet. Raises InvalidSetting."""
    if not url.startswith(SCHEMES):
        reason = f"it must begin with {', '.join(SCHEMES)}"
        raise InvalidSetting(name="blobs_url", source="the settings", reason=reason)
    try:
        store = from_url(
            url,
            client_options={"connect_timeout": _CONNECT, "allow_http": True},  # if that is how its endpoint begins
            retry_config={"max_retries": 5, "retry_timeout": _PATIENCE},
        )
    except (BaseError, ValueError) as error:
        raise InvalidSetting(name="blobs_url", source="the settings", reason=_first_line(error)) from error
    return ObjectBlobs(store)


class ObjectBlobs:
    """Implements core.ports.Blobs. An object appears when all of its parts are there."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, key: str, stream: AsyncIterable[bytes], *, content_type: str) -> Blob:
        """See core.ports.Blobs. Raises InvalidRequest for a key that is not one, and StoreUnavailable."""
        if not BLOB_KEY.fullmatch(key):
            raise InvalidRequest(reason=f"{key!r} is no key of a blob: use letters, digits, '-', '_', '.' and '/'")
        incoming = Measured(stream)
        try:
            await obstore.put_async(
                self._store,
                key,
                incoming.chunks(),
                attributes={"Content-Type": content_type},
                chunk_size=PART,
                max_concurrency=PARTS_AT_ONCE,
            )
        except (BaseError, FileNotFoundError) as error:  # the latter if there is no such bucket
            raise incoming.error or _unavailable(error) from error
        return Blob(key=key, size=incoming.size, sha256=incoming.digest.hexdigest(), content_type=content_type)

    async def open(self, blob: Blob, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """See core.ports.Blobs. What is damaged is found out before the last chunk is handed over."""
        if not BLOB_KEY.fullmatch(blob.key):
            raise BlobNotFound(key=blob.key)
        begin, end = blob.span(start, length)
        if begin == end:
            await self._check_size(blob)
            if blob.size == 0:
                _check(blob, hashlib.sha256())
            return
        whole, offset, digest = (begin, end) == (0, blob.size), begin, hashlib.sha256()
        with _ours(blob.key):
            # A part behind the end would be refused, so that what is there is only seen by asking for all of it.
            options: GetOptions | None = None if whole else {"range": (begin, end)}
            found = await obstore.get_async(self._store, blob.key, options=options)
            _check_size(blob, found.meta["size"])
            async for data in found.stream(min_chunk_size=CHUNK):
                chunk = bytes(data)
                offset += len(chunk)
                digest.update(chunk)
                if whole and offset == end:
                    _check(blob, digest)
                yield chunk
        if offset != end:
            raise BlobDamaged(key=blob.key, reason=f"it ends after {offset} of {blob.size} bytes")

    async def delete(self, blob: Blob) -> None:
        """See core.ports.Blobs."""
        if BLOB_KEY.fullmatch(blob.key):
            with _ours(blob.key):
                try:
                    await obstore.delete_async(self._store, blob.key)
                except FileNotFoundError:
                    return

    async def clear(self, folder: str) -> None:
        """See core.ports.Blobs."""
        if not BLOB_KEY.fullmatch(folder):
            return
        with _ours(folder):
            async for found in obstore.list(self._store, prefix=folder):
                await obstore.delete_async(self._store, [one["path"] for one in found])

    async def _check_size(self, blob: Blob) -> None:
        with _ours(blob.key):
            meta = await obstore.head_async(self._store, blob.key)
        _check_size(blob, meta["size"])


@contextmanager
def _ours(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise BlobNotFound(key=key) from error
    except BaseError as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(reason=f"the object store: {_first_line(error)}")


def _check_size(blob: Blob, size: int) -> None:
    if size != blob.size:
        raise BlobDamaged(key=blob.key, reason=f"it has {size} bytes instead of {blob.size}")


def _check(blob: Blob, digest: hashlib._Hash) -> None:
    if digest.hexdigest() != blob.sha256:
        raise BlobDamaged(key=blob.key, reason="its SHA-256 is another one")


def _first_line(error: Exception) -> str:
    """The rest of what obstore says is for those who mend it."""
    return str(error).split("\n", 1)[0]
