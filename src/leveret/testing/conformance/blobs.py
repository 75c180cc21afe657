"""What every Blobs must do, as tests: subclass BlobsConformance in a module that has a fixture `blobs`.

ContentConformance is the part of it that workers need: put, open and delete.
"""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from msgspec.structs import replace

from leveret.core.ports import Blobs
from leveret.core.prediction import Blob
from leveret.errors import BlobDamaged, BlobNotFound, LeveretError

KEY = "01hf7yat00dhqp6rbc5wr30c1h/input.json"
LARGE = bytes(range(256)) * 10_000
"""More than any backend reads or writes in one go."""

CONTENTS = [
    pytest.param(b"", id="empty"),
    pytest.param(b"x", id="one byte"),
    pytest.param(LARGE, id="large"),
]
WRONG_KEYS = ["", "/", "/etc/passwd", "../secret", "a/../../secret", "a//b", "a/", ".hidden", "a/.hidden", "a\0b", "é"]


class FoldersConformance:
    """clear."""

    async def test_to_clear_a_folder_is_to_delete_what_is_in_it_and_nothing_else(self, blobs: Blobs) -> None:
        inside = [await blobs.put(f"a/b/{name}", _stream(LARGE), content_type="a/b") for name in ("1", "2/3", "2/4/5")]
        others = [await blobs.put(key, _stream(b"x"), content_type="a/b") for key in ("a/bc/1", "a/c", "ab/b/1")]

        for _ in range(2):
            await blobs.clear("a/b")

        for blob in inside:
            with pytest.raises(BlobNotFound):
                await _content(blobs, blob)
        assert [await _content(blobs, blob) for blob in others] == [b"x"] * 3

    async def test_what_is_put_into_a_folder_that_was_cleared_is_there(self, blobs: Blobs) -> None:
        for content in (b"x", LARGE):
            blob = await blobs.put("a/b/1", _stream(content), content_type="a/b")
            await blobs.clear("a/b")
            blob = await blobs.put("a/b/1", _stream(content), content_type="a/b")
            assert await _content(blobs, blob) == content

    @pytest.mark.parametrize("folder", WRONG_KEYS)
    async def test_a_folder_that_is_none_is_cleared_to_no_effect(self, blobs: Blobs, folder: str) -> None:
        blob = await blobs.put(KEY, _stream(b"x"), content_type="a/b")

        await blobs.clear(folder)

        assert await _content(blobs, blob) == b"x"


class ContentConformance:
    """put, open and delete."""

    @pytest.mark.parametrize("content", CONTENTS)
    async def test_what_was_put_is_read_again(self, blobs: Blobs, content: bytes) -> None:
        blob = await blobs.put(KEY, _stream(content), content_type="image/png")

        assert blob == Blob(KEY, len(content), hashlib.sha256(content).hexdigest(), "image/png")
        assert await _content(blobs, blob) == content

    async def test_it_may_be_put_in_chunks_of_any_size(self, blobs: Blobs) -> None:
        blob = await blobs.put(KEY, _stream(b"", LARGE[:1], LARGE[1:300_000], b"", LARGE[300_000:]), content_type="a/b")

        assert await _content(blobs, blob) == LARGE

    async def test_it_is_read_in_chunks(self, blobs: Blobs) -> None:
        blob = await blobs.put(KEY, _stream(LARGE), content_type="a/b")

        async with aclosing(blobs.open(blob)) as chunks:
            sizes = [len(chunk) async for chunk in chunks]

        assert len(sizes) > 1
        assert 0 not in sizes

    @pytest.mark.parametrize(
        ("start", "length"),
        [
            (0, 1),
            (1, 10),
            (0, None),
            (255_999, 3),
            (262_143, 2),
            (262_144, 262_144),
            (1_000_001, 700_007),
            (2_559_999, 1),
            (2_559_999, 100),
            (2_000_000, None),
            (2_560_000, 1),
            (3_000_000, None),
            (5, 0),
        ],
    )
    async def test_a_part_of_it_is_read(self, blobs: Blobs, start: int, length: int | None) -> None:
        blob = await blobs.put(KEY, _stream(LARGE), content_type="a/b")

        async with aclosing(blobs.open(blob, start=start, length=length)) as chunks:
            read = [chunk async for chunk in chunks]

        assert b"".join(read) == (LARGE[start:] if length is None else LARGE[start : start + length])
        assert b"" not in read

    async def test_a_part_of_what_is_not_there_is_not_found(self, blobs: Blobs) -> None:
        with pytest.raises(BlobNotFound):
            async for _ in blobs.open(Blob("n/othing", 100, "00" * 32), start=10, length=5):
                pass

    async def test_a_part_of_what_has_another_size_is_damage(self, blobs: Blobs) -> None:
        blob = await blobs.put(KEY, _stream(LARGE), content_type="a/b")

        with pytest.raises(BlobDamaged):
            async for _ in blobs.open(replace(blob, size=blob.size + 1), start=10, length=5):
                pass

    async def test_reading_may_be_left_early(self, blobs: Blobs) -> None:
        blob = await blobs.put(KEY, _stream(LARGE), content_type="a/b")

        async with aclosing(blobs.open(blob)) as chunks:
            first = await anext(chunks)

        assert LARGE.startswith(first)
        assert await _content(blobs, blob) == LARGE

    async def test_keys_are_separate(self, blobs: Blobs) -> None:
        keys = ["a", "b/c", "b/d", "b/e/f", "b_c", "b-c.d"]
        put = [await blobs.put(key, _stream(key.encode()), content_type="text/plain") for key in keys]

        assert [await _content(blobs, blob) for blob in put] == [key.encode() for key in keys]

    async def test_many_are_put_at_once(self, blobs: Blobs) -> None:
        contents = [b"%d" % number * 50_000 for number in range(20)]

        put = await asyncio.gather(
            *[blobs.put(f"n/{number}", _stream(content), content_type="a/b") for number, content in enumerate(contents)]
        )

        assert await asyncio.gather(*[_content(blobs, blob) for blob in put]) == contents

    async def test_a_later_put_replaces_the_earlier_one(self, blobs: Blobs) -> None:
        earlier = await blobs.put(KEY, _stream(b"earlier"), content_type="text/plain")

        later = await blobs.put(KEY, _stream(b"later"), content_type="text/plain")

        assert await _content(blobs, later) == b"later"
        with pytest.raises(BlobDamaged):
            await _content(blobs, earlier)

    async def test_nothing_is_visible_while_it_is_being_put(self, blobs: Blobs) -> None:
        seen: list[type[BaseException] | None] = []

        async def look_between() -> AsyncIterator[bytes]:
            for half in (LARGE[:2_000_000], LARGE[2_000_000:]):
                yield half
                seen.append(await _refusal(blobs, Blob(KEY, len(LARGE), hashlib.sha256(LARGE).hexdigest())))

        blob = await blobs.put(KEY, look_between(), content_type="a/b")

        assert seen == [BlobNotFound, BlobNotFound]
        assert await _content(blobs, blob) == LARGE

    async def test_a_stream_that_breaks_leaves_nothing(self, blobs: Blobs) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield LARGE
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await blobs.put(KEY, broken(), content_type="a/b")

        assert await _refusal(blobs, Blob(KEY, len(LARGE), hashlib.sha256(LARGE).hexdigest())) is BlobNotFound

    async def test_a_put_that_is_canceled_leaves_nothing(self, blobs: Blobs) -> None:
        begun = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield LARGE
            begun.set()
            await asyncio.Event().wait()

        putting = asyncio.ensure_future(blobs.put(KEY, endless(), content_type="a/b"))
        await begun.wait()
        putting.cancel()
        await asyncio.wait([putting])

        assert putting.cancelled()
        assert await _refusal(blobs, Blob(KEY, len(LARGE), hashlib.sha256(LARGE).hexdigest())) is BlobNotFound

    async def test_a_put_that_breaks_leaves_what_was_there(self, blobs: Blobs) -> None:
        blob = await blobs.put(KEY, _stream(b"there"), content_type="text/plain")

        async def broken() -> AsyncIterator[bytes]:
            yield b"something else"
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await blobs.put(KEY, broken(), content_type="a/b")

        assert await _content(blobs, blob) == b"there"

    async def test_what_was_never_put_is_not_found(self, blobs: Blobs) -> None:
        with pytest.raises(BlobNotFound) as caught:
            await _content(blobs, Blob("n/othing", 1, "00" * 32))

        assert caught.value.data == {"key": "n/othing"}

    async def test_what_was_deleted_is_not_found(self, blobs: Blobs) -> None:
        blob = await blobs.put(KEY, _stream(b"x"), content_type="text/plain")
        other = await blobs.put(KEY + "2", _stream(b"y"), content_type="text/plain")

        await blobs.delete(blob)

        assert await _refusal(blobs, blob) is BlobNotFound
        assert await _content(blobs, other) == b"y"

    async def test_deleting_what_is_gone_does_nothing(self, blobs: Blobs) -> None:
        blob = await blobs.put(KEY, _stream(b"x"), content_type="text/plain")
        await blobs.delete(blob)

        await blobs.delete(blob)
        await blobs.delete(Blob("never/was", 1, "00" * 32))

        assert await _refusal(blobs, blob) is BlobNotFound

    @pytest.mark.parametrize("content", CONTENTS)
    async def test_another_size_is_damage(self, blobs: Blobs, content: bytes) -> None:
        blob = await blobs.put(KEY, _stream(content), content_type="a/b")

        assert await _refusal(blobs, replace(blob, size=blob.size + 1)) is BlobDamaged

    @pytest.mark.parametrize("content", CONTENTS)
    async def test_another_sha256_is_damage_and_shows_before_the_content_is_complete(
        self, blobs: Blobs, content: bytes
    ) -> None:
        blob = await blobs.put(KEY, _stream(content), content_type="a/b")
        got = bytearray()

        with pytest.raises(BlobDamaged) as caught:
            await _read(blobs, replace(blob, sha256="00" * 32), got)

        assert caught.value.data["key"] == KEY
        assert not content or len(got) < len(content)

    @pytest.mark.parametrize("key", WRONG_KEYS)
    async def test_a_key_cannot_lead_anywhere_else(self, blobs: Blobs, key: str) -> None:
        blob = Blob(key, 1, "00" * 32)

        with pytest.raises(LeveretError):
            await blobs.put(key, _stream(b"x"), content_type="text/plain")

        assert await _refusal(blobs, blob) is BlobNotFound
        await blobs.delete(blob)


class BlobsConformance(ContentConformance, FoldersConformance):
    """Every test takes the fixture `blobs`, an open Blobs that has nothing in it."""


async def _stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _read(blobs: Blobs, blob: Blob, into: bytearray) -> None:
    async with aclosing(blobs.open(blob)) as chunks:
        async for chunk in chunks:
            into += chunk


async def _content(blobs: Blobs, blob: Blob) -> bytes:
    content = bytearray()
    await _read(blobs, blob, content)
    return bytes(content)


async def _refusal(blobs: Blobs, blob: Blob) -> type[BaseException] | None:
    """The error with which it cannot be read; None if it can."""
    try:
        await _content(blobs, blob)
    except LeveretError as error:
        return type(error)
    return None
