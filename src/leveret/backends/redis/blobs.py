"""Blobs in Redis: one hash each, its chunks under their numbers; for processes that share no folder."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from leveret.backends.redis import replies
from leveret.backends.redis.connection import ANSWER_TIMEOUT, Part, Reply, encrypt
from leveret.backends.redis.keys import Keys
from leveret.core.prediction import BLOB_KEY, Blob
from leveret.errors import BlobDamaged, BlobNotFound, InvalidRequest, StoreUnavailable
from leveret.tls import NO_STORE_FILES, Files

CHUNK: Final = 256 * 1024
"""How much goes in one command, in bytes: Redis serves nobody else meanwhile."""

ABANDONED: Final = 3600
"""Seconds after which the chunks are removed of which the writer has gone."""

_CONNECTIONS: Final = 8
_RETRIES: Final = 8
_FAREWELL: Final = 1.0

_COMPLETE: Final = """
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('PERSIST', KEYS[2])
  redis.call('SADD', KEYS[3], KEYS[2])
end
return redis.call('HGET', KEYS[2], 'put')
"""
"""Makes the hash KEYS[1] visible as KEYS[2], in the folder KEYS[3], and answers whose it is.

Sent again, it answers the same.
"""

_DELETE: Final = "redis.call('UNLINK', KEYS[1]); return redis.call('SREM', KEYS[2], KEYS[1])"
"""Removes the hash KEYS[1] from the folder KEYS[2]."""

_CLEAR: Final = """
for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  redis.call('UNLINK', key)
end
return redis.call('DEL', KEYS[1])
"""
"""Removes every hash in the folder KEYS[1]."""


@asynccontextmanager
async def open_blobs(
    url: str, *, namespace: str = "leveret", files: Files = NO_STORE_FILES
) -> AsyncIterator[RedisBlobs]:
    """The blobs of the server at `url`."""
    pool = BlockingConnectionPool.from_url(
        url,
        protocol=2,
        driver_info=None,
        max_connections=_CONNECTIONS,
        socket_timeout=ANSWER_TIMEOUT,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), retries=_RETRIES),
    )
    encrypt(pool, url, files)
    async with Redis(connection_pool=pool) as client:
        try:
            yield RedisBlobs(client, Keys(namespace))
        finally:
            await pool.disconnect()


class RedisBlobs:
    """Implements core.ports.Blobs. Every command may be sent again, as redis-py does when a connection breaks."""

    def __init__(self, client: Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    async def put(self, key: str, stream: AsyncIterable[bytes], *, content_type: str) -> Blob:
        """See core.ports.Blobs. Raises InvalidRequest for a key that is not one, and StoreUnavailable."""
        if not BLOB_KEY.fullmatch(key):
            raise InvalidRequest(reason=f"{key!r} is no key of a blob: use letters, digits, '-', '_', '.' and '/'")
        token = secrets.token_hex(16)
        hidden = self._keys.blob(f".{token}")  # which is the key of no blob
        size, digest, chunks = 0, hashlib.sha256(), 0
        try:
            async for chunk in _rechunked(stream):
                await self._call("HSET", hidden, chunks, chunk)
                await self._call("EXPIRE", hidden, ABANDONED)
                digest.update(chunk)
                size, chunks = size + len(chunk), chunks + 1
            await self._call("HSET", hidden, "put", token, "size", size)
            await self._complete(hidden, key, token)
        except BaseException:
            with suppress(StoreUnavailable, TimeoutError):
                async with asyncio.timeout(_FAREWELL):
                    await self._call("UNLINK", hidden)
            raise
        return Blob(key=key, size=size, sha256=digest.hexdigest(), content_type=content_type)

    async def open(self, blob: Blob, *, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        """See core.ports.Blobs. What is damaged is found out before the last chunk is handed over."""
        if not BLOB_KEY.fullmatch(blob.key):
            raise BlobNotFound(key=blob.key)
        offset, end = blob.span(start, length)
        whole, digest, complete = (offset, end) == (0, blob.size), hashlib.sha256(), False
        while not complete:
            number, skipped = divmod(offset, CHUNK)
            chunk = (await self._chunk(blob, number))[skipped : skipped + end - offset]
            offset += len(chunk)
            complete = offset == end
            if not (chunk or complete):
                raise BlobDamaged(key=blob.key, reason=f"it ends after {offset} of {blob.size} bytes")
            if whole:
                digest.update(chunk)
                if complete and digest.hexdigest() != blob.sha256:
                    raise BlobDamaged(key=blob.key, reason="its SHA-256 is another one")
            if chunk:
                yield chunk

    async def delete(self, blob: Blob) -> None:
        """See core.ports.Blobs."""
        if BLOB_KEY.fullmatch(blob.key):
            await self._call("EVAL", _DELETE, 2, self._keys.blob(blob.key), self._keys.blob_folder(blob.key))

    async def clear(self, folder: str) -> None:
        """See core.ports.Blobs."""
        await self._call("EVAL", _CLEAR, 1, self._keys.blob_folder(folder))

    async def _complete(self, hidden: str, key: str, token: str) -> None:
        visible, folder = self._keys.blob(key), self._keys.blob_folder(key)
        if await self._call("EVAL", _COMPLETE, 3, hidden, visible, folder) != token.encode():
            raise StoreUnavailable(reason="it has lost a large value that was being written")

    async def _chunk(self, blob: Blob, number: int) -> bytes:
        """That chunk; empty behind the last. Raises BlobNotFound, and BlobDamaged if the size is another one."""
        chunk, size = replies.array(await self._call("HMGET", self._keys.blob(blob.key), number, "size"))
        if not isinstance(size, bytes):
            raise BlobNotFound(key=blob.key)
        if int(size) != blob.size:
            raise BlobDamaged(key=blob.key, reason=f"it has {int(size)} bytes instead of {blob.size}")
        return chunk if isinstance(chunk, bytes) else b""

    async def _call(self, *command: Part) -> Reply:
        try:
            reply: Reply = await self._client.execute_command(*command)  # type: ignore[no-untyped-call] # unannotated
        except (RedisError, OSError) as error:
            raise StoreUnavailable(reason=f"its large values: {error}") from error
        return reply


async def _rechunked(stream: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in chunks of CHUNK; the last is what remains."""
    buffer = bytearray()
    async for data in stream:
        buffer += data
        while len(buffer) >= CHUNK:
            yield bytes(buffer[:CHUNK])
            del buffer[:CHUNK]
    if buffer:
        yield bytes(buffer)
