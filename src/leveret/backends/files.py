"""Blobs in a folder: one file each, complete or not there at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from leveret.core.prediction import BLOB_KEY, Blob
from leveret.errors import BlobDamaged, BlobNotFound, InvalidRequest, StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")

CHUNK: Final = 256 * 1024
"""How much is read or written in one go, in bytes; a thread is worth its while from about here."""


class FileBlobs:
    """Large values as files of one folder, under their keys.

    A file is never kept open between two chunks, so whoever is canceled leaves nothing behind.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, stream: AsyncIterable[bytes], *, content_type: str) -> Blob:
        """See core.ports.Blobs. Raises InvalidRequest for a key that is not one, and StoreUnavailable."""
        if not BLOB_KEY.fullmatch(key):
            raise InvalidRequest(reason=f"{key!r} is no key of a blob: use letters, digits, '-', '_', '.' and '/'")
        incoming = _Incoming(self._folder / key)
        buffer = bytearray()
        try:
            async for chunk in stream:
                buffer += chunk
                if len(buffer) >= CHUNK:
                    await _in_thread(incoming.append, bytes(buffer))
                    buffer.clear()
            await _in_thread(incoming.complete, bytes(buffer))
        except BaseException:
            incoming.discard()
            raise
        return Blob(key=key, size=incoming.size, sha256=incoming.digest.hexdigest(), content_type=content_type)

    async def open(self, blob: Blob, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """See core.ports.Blobs. What is damaged is found out before the last chunk is handed over."""
        if not BLOB_KEY.fullmatch(blob.key):
            raise BlobNotFound(key=blob.key)
        outgoing = _Outgoing(self._folder / blob.key, blob, start, length)
        while True:
            chunk = await _in_thread(outgoing.read)
            if chunk:
                yield chunk
            if outgoing.complete:
                return

    async def delete(self, blob: Blob) -> None:
        """See core.ports.Blobs. Of the folders that it leaves empty the outermost stays."""
        if BLOB_KEY.fullmatch(blob.key):
            await _in_thread(_delete, self._folder, blob.key)

    async def clear(self, folder: str) -> None:
        """See core.ports.Blobs."""
        if BLOB_KEY.fullmatch(folder):
            await _in_thread(_clear, self._folder / folder)


class _Incoming:
    """A file that is being written, beside its final place under a name that is no key."""

    def __init__(self, target: Path) -> None:
        self.size = 0
        self.digest = hashlib.sha256()
        self._target = target
        self._path = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        self._created = False

    def append(self, data: bytes) -> None:
        self._write(data, sync=False)

    def complete(self, data: bytes) -> None:
        self._write(data, sync=True)
        self._path.replace(self._target)
        _sync_folder(self._target.parent)

    def discard(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _write(self, data: bytes, *, sync: bool) -> None:
        if not self._created:
            self._create()
        with self._path.open("r+b") as file:
            file.seek(self.size)
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        self.digest.update(data)
        self.size += len(data)

    def _create(self) -> None:
        while not self._created:
            _make_folder(self._path.parent)
            with suppress(FileNotFoundError):  # somebody has removed what was an empty folder
                self._path.touch(exist_ok=False)
                self._created = True


class _Outgoing:
    """A file that is being read and compared with what was put there."""

    def __init__(self, path: Path, blob: Blob, start: int, length: int | None) -> None:
        self.complete = False
        self._path = path
        self._blob = blob
        self._offset, self._end = blob.span(start, length)
        self._whole = (self._offset, self._end) == (0, blob.size)
        self._digest = hashlib.sha256()

    def read(self) -> bytes:
        chunk, size = self._next()
        self._offset += len(chunk)
        self.complete = self._offset == self._end
        if size != self._blob.size or not (chunk or self.complete):
            raise BlobDamaged(key=self._blob.key, reason=f"it has {size} bytes instead of {self._blob.size}")
        if self._whole:
            self._digest.update(chunk)
            if self.complete and self._digest.hexdigest() != self._blob.sha256:
                raise BlobDamaged(key=self._blob.key, reason="its SHA-256 is another one")
        return chunk

    def _next(self) -> tuple[bytes, int]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                return file.read(min(CHUNK, self._end - self._offset)), os.fstat(file.fileno()).st_size
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise BlobNotFound(key=self._blob.key) from error


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except OSError as error:
        raise StoreUnavailable(reason=f"the folder of blobs: {error}") from error


def _delete(folder: Path, key: str) -> None:
    (folder / key).unlink(missing_ok=True)
    for above in list(Path(key).parents)[:-2]:
        try:
            (folder / above).rmdir()
        except OSError:  # it is not empty, or it has gone
            return


def _clear(folder: Path) -> None:
    while True:
        try:
            shutil.rmtree(folder)
        except FileNotFoundError:  # it has gone, or somebody removes the same: what is left of it is seen to now
            if not folder.is_dir():
                return
        except NotADirectoryError:
            folder.unlink(missing_ok=True)
            return


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        with suppress(FileNotFoundError):  # see _Incoming._create
            folder.mkdir(exist_ok=True)
            _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """A new name is as durable as the folder that holds it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
