"""Blobs in a folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from leveret.backends.files import FileBlobs
from leveret.core.ports import Blobs
from leveret.core.prediction import Blob
from leveret.errors import BlobDamaged, StoreUnavailable
from leveret.testing.conformance.blobs import BlobsConformance


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return FileBlobs(tmp_path / "blobs")


class TestFileBlobs(BlobsConformance):
    """The whole suite."""


async def test_a_blob_is_one_file_under_its_key(blobs: Blobs, tmp_path: Path) -> None:
    await blobs.put("p1/input.json", _stream(b"{}"), content_type="application/json")

    assert (tmp_path / "blobs/p1/input.json").read_bytes() == b"{}"
    assert _files(tmp_path) == ["blobs/p1/input.json"]


async def test_a_put_that_breaks_leaves_no_file_behind(blobs: Blobs, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * 1_000_000
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await blobs.put("p1/input.json", broken(), content_type="a/b")

    assert _files(tmp_path) == []


async def test_a_canceled_put_leaves_no_file_behind(blobs: Blobs, tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * 1_000_000
        begun.set()
        await asyncio.Event().wait()

    putting = asyncio.ensure_future(blobs.put("p1/input.json", endless(), content_type="a/b"))
    await begun.wait()
    putting.cancel()
    await asyncio.wait([putting])

    assert _files(tmp_path) == []


@pytest.mark.parametrize("at", [0, 999_999])
async def test_a_file_that_was_changed_is_damaged(blobs: Blobs, tmp_path: Path, at: int) -> None:
    blob = await blobs.put("k", _stream(b"x" * 1_000_000), content_type="a/b")
    with (tmp_path / "blobs/k").open("r+b") as file:
        file.seek(at)
        file.write(b"y")

    with pytest.raises(BlobDamaged):
        await _content(blobs, blob)


async def test_a_file_that_is_cut_while_it_is_read_is_damaged(blobs: Blobs, tmp_path: Path) -> None:
    blob = await blobs.put("k", _stream(b"x" * 1_000_000), content_type="a/b")

    async with aclosing(blobs.open(blob)) as chunks:
        await anext(chunks)
        with (tmp_path / "blobs/k").open("r+b") as file:
            file.truncate(100)
        with pytest.raises(BlobDamaged):
            await anext(chunks)


async def test_what_is_deleted_takes_its_empty_folder_along(blobs: Blobs, tmp_path: Path) -> None:
    one, other, flat = [await blobs.put(key, _stream(b"x"), content_type="a/b") for key in ("a/b/1", "a/b/2", "a/3")]

    await blobs.delete(one)
    assert (tmp_path / "blobs/a/b").is_dir()
    for blob in (other, other, flat):
        await blobs.delete(blob)

    assert [tmp_path / "blobs/a"] == list((tmp_path / "blobs").rglob("*"))


async def test_a_folder_that_is_removed_at_the_wrong_moment_is_made_again(blobs: Blobs, tmp_path: Path) -> None:
    async def put(number: int) -> None:
        blob = await blobs.put(f"a/b/{number}", _stream(b"x"), content_type="a/b")
        await blobs.delete(blob)

    await asyncio.gather(*[put(number) for number in range(200)])

    assert [] == _files(tmp_path / "blobs")


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file, not a folder")

    with pytest.raises(StoreUnavailable):
        await FileBlobs(tmp_path / "blobs").put("k", _stream(b"x"), content_type="a/b")


async def _stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _content(blobs: Blobs, blob: Blob) -> bytes:
    async with aclosing(blobs.open(blob)) as chunks:
        return b"".join([chunk async for chunk in chunks])


def _files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
