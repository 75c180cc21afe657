"""Blobs in an object store, against a real server that speaks S3."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest

from leveret.backends import connect
from leveret.backends.objects import PART, open_objects
from leveret.config import Settings
from leveret.core.ports import Blobs
from leveret.core.prediction import Blob
from leveret.core.streams import once
from leveret.errors import BlobNotFound, InvalidSetting, StoreUnavailable
from leveret.testing.conformance.blobs import BlobsConformance
from leveret.testing.s3_server import S3Server

_prefixes = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def blobs(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return open_objects(f"{server.url}/test{next(_prefixes)}")


class TestObjectBlobs(BlobsConformance):
    """The whole suite."""


async def content(blobs: Blobs, blob: Blob) -> bytes:
    return b"".join([chunk async for chunk in blobs.open(blob)])


async def test_what_is_larger_than_a_part_is_sent_in_parts(blobs: Blobs) -> None:
    large = bytes(range(256)) * (PART // 256) * 2 + b"the end"

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 100_000):
            yield large[start : start + 100_000]

    blob = await blobs.put("k", stream(), content_type="a/b")

    assert large == await content(blobs, blob)
    part = b"".join([chunk async for chunk in blobs.open(blob, start=PART - 5, length=10)])
    assert large[PART - 5 : PART + 5] == part


async def test_two_folders_of_a_bucket_are_apart(blobs: Blobs, server: S3Server) -> None:
    blob = await blobs.put("k", once(b"hare"), content_type="a/b")

    with pytest.raises(BlobNotFound):
        await content(open_objects(f"{server.url}/other"), blob)


async def test_a_bucket_that_is_not_there_is_unavailable(blobs: Blobs) -> None:
    nowhere = open_objects("s3://nowhere")

    with pytest.raises(StoreUnavailable, match="object store"):
        await nowhere.put("k", once(b"hare"), content_type="a/b")


async def test_wrong_credentials_are_unavailable(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch, server: S3Server
) -> None:
    blob = await blobs.put("k", once(b"hare"), content_type="a/b")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    stranger = open_objects(server.url)

    with pytest.raises(StoreUnavailable):
        await stranger.put("k", once(b"hare"), content_type="a/b")
    with pytest.raises(StoreUnavailable) as refused:
        await content(stranger, blob)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
async def test_a_server_that_is_gone_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    with S3Server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        blobs = open_objects(server.url)
        blob = await blobs.put("k", once(b"hare"), content_type="a/b")
    async with asyncio.timeout(60):
        with pytest.raises(StoreUnavailable):
            await content(blobs, blob)
        with pytest.raises(StoreUnavailable):
            await blobs.put("k", once(b"hare"), content_type="a/b")
        with pytest.raises(StoreUnavailable):
            await blobs.delete(blob)


@pytest.mark.parametrize("url", ["http://bucket", "bucket", "s3://", "file:///tmp"])
def test_a_url_of_another_kind_is_a_mistake_in_the_settings(url: str) -> None:
    with pytest.raises(InvalidSetting, match="blobs_url"):
        open_objects(url)


async def test_large_values_are_in_one_place(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path), blobs_url="s3://bucket", blobs_dir=str(tmp_path / "blobs"))

    with pytest.raises(InvalidSetting, match="blobs_dir"):
        async with connect(settings, patience=1.0):
            pass
