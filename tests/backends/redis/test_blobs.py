"""Blobs in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from leveret.backends.redis.batcher import Batcher
from leveret.backends.redis.blobs import CHUNK, RedisBlobs, open_blobs
from leveret.core.ports import Blobs
from leveret.core.prediction import Blob
from leveret.errors import BlobDamaged, StoreUnavailable
from leveret.testing.conformance.blobs import BlobsConformance
from leveret.testing.redis_server import RedisServer
from tests.backends.redis.proxy import Proxy

CONTENT = bytes(range(256)) * 4 * 1024


@pytest.fixture
async def blobs(server: RedisServer, namespace: str) -> AsyncIterator[RedisBlobs]:
    async with open_blobs(server.url, namespace=namespace) as blobs:
        yield blobs


class TestRedisBlobs(BlobsConformance):
    """The whole suite."""


async def test_a_blob_is_one_key_that_stays_and_has_small_chunks(blobs: Blobs, line: Batcher, namespace: str) -> None:
    await blobs.put("p1/input.json", _stream(CONTENT), content_type="a/b")

    (keys,) = await line.send([("KEYS", f"{namespace}:blob:*")])
    ttl, length = await line.send(
        [("TTL", f"{namespace}:blob:p1/input.json"), ("HLEN", f"{namespace}:blob:p1/input.json")]
    )
    assert [f"{namespace}:blob:p1/input.json".encode()] == keys
    assert (-1, len(CONTENT) // CHUNK + 2) == (ttl, length)


async def test_a_put_that_breaks_leaves_no_key_behind(blobs: Blobs, line: Batcher, namespace: str) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield CONTENT
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.put("p1/input.json", broken(), content_type="a/b")

    assert [[]] == await line.send([("KEYS", f"{namespace}:blob:*")])


async def test_what_a_dead_writer_leaves_behind_goes_away(blobs: Blobs, line: Batcher, namespace: str) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield CONTENT
        begun.set()
        await asyncio.Event().wait()

    putting = asyncio.ensure_future(blobs.put("k", endless(), content_type="a/b"))
    await begun.wait()
    (keys,) = await line.send([("KEYS", f"{namespace}:blob:*")])
    assert isinstance(keys, list)
    (hidden,) = keys
    assert isinstance(hidden, bytes)
    (ttl,) = await line.send([("TTL", hidden)])
    putting.cancel()
    await asyncio.wait([putting])

    assert isinstance(ttl, int)
    assert ttl > 0


@pytest.mark.parametrize("number", [0, len(CONTENT) // CHUNK - 1])
async def test_a_chunk_that_was_changed_is_damage(blobs: Blobs, line: Batcher, namespace: str, number: int) -> None:
    blob = await blobs.put("k", _stream(CONTENT), content_type="a/b")
    await line.send([("HSET", f"{namespace}:blob:k", number, b"y" * CHUNK)])

    with pytest.raises(BlobDamaged):
        await _content(blobs, blob)


async def test_a_chunk_that_is_missing_is_damage(blobs: Blobs, line: Batcher, namespace: str) -> None:
    blob = await blobs.put("k", _stream(CONTENT), content_type="a/b")
    await line.send([("HDEL", f"{namespace}:blob:k", 2)])

    with pytest.raises(BlobDamaged, match="it ends after"):
        await _content(blobs, blob)


@pytest.mark.parametrize("cuts", [1, 2, 3])
async def test_answers_that_are_lost_change_nothing(proxy: Proxy, namespace: str, cuts: int) -> None:
    async with open_blobs(proxy.url, namespace=namespace) as blobs:
        proxy.cut_before_answers = cuts
        blob = await blobs.put("k", _stream(b"small"), content_type="a/b")
        proxy.cut_before_answers = cuts

        assert await _content(blobs, blob) == b"small"


@pytest.mark.slow
async def test_a_server_that_is_gone_is_unavailable(mortal: RedisServer) -> None:
    async with open_blobs(mortal.url) as blobs:
        blob = await blobs.put("k", _stream(CONTENT), content_type="a/b")
        mortal.kill()

        with pytest.raises(StoreUnavailable):
            await _content(blobs, blob)


async def _stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _content(blobs: Blobs, blob: Blob) -> bytes:
    return b"".join([chunk async for chunk in blobs.open(blob)])
