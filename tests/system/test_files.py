"""Large files through a whole server: put here and read again, without ever being in its memory."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from leveret.testing.redis_server import RedisServer
from leveret.testing.s3_server import S3Server
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MIB = 1024 * 1024
SIZE = int(os.environ.get("FILES_TEST_MIB", "256")) * MIB
MOST_MEMORY = 200 * MIB

MODEL = """
from leveret import File, model

@model
def same(file: File) -> list[File]:
    return [file, File(file.read()[::-1], "text/plain", "backwards.txt")]
"""

BOUNDARY = "b" * 30


def form(digest: hashlib._Hash) -> Iterator[bytes]:
    """A form with a file of SIZE bytes in it, made as it goes."""
    yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="large.bin"\r\n\r\n'.encode()
    block = os.urandom(MIB)
    for number in range(SIZE // MIB):
        chunk = number.to_bytes(8) + block[8:]
        digest.update(chunk)
        yield chunk
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def in_a_bucket(stack: ExitStack) -> dict[str, str]:
    """The settings for blobs in the bucket of a server that is started for them."""
    server = stack.enter_context(S3Server())
    return {**server.environment, "LEVERET_BLOBS_URL": f"{server.url}/large"}


def most_memory(pid: int) -> int:
    """The most memory, in bytes, that the process has ever had."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.parametrize("bucket", [False, True], ids=["in a folder", "in a bucket"])
def test_a_large_file_is_never_whole_in_memory(tmp_path: Path, bucket: bool) -> None:
    (tmp_path / "same.py").write_text(MODEL)
    port = free_port()
    sent, read = hashlib.sha256(), hashlib.sha256()
    with ExitStack() as stack:
        environment = QUICK | (in_a_bucket(stack) if bucket else {})
        program = Program("serve", "same.py", "--port", str(port), folder=tmp_path, environment=environment)
        stack.enter_context(program).wait_ready()
        client = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        answer = client.post("/v1/files", content=form(sent), headers={"Content-Type": kind})
        file = answer.json()
        with client.stream("GET", file["urls"]["download"]) as download:
            for chunk in download.iter_bytes():
                read.update(chunk)
        memory = most_memory(program.process.pid)

    assert (201, SIZE) == (answer.status_code, file["size"])
    assert sent.hexdigest() == file["checksums"]["sha256"] == read.hexdigest()
    assert memory < MOST_MEMORY


@pytest.mark.parametrize("place", ["store", "folder", "bucket"])
def test_files_pass_between_processes_that_share_nothing_else(tmp_path: Path, place: str) -> None:
    folders = (tmp_path / "gateway", tmp_path / "worker")
    for folder in folders:
        folder.mkdir()
    (folders[1] / "same.py").write_text(MODEL)
    content = os.urandom(1_000_000)
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        environment = {**QUICK, **rabbit.a_namespace(), "LEVERET_STORE_URL": redis.url}
        if place == "folder":
            environment["LEVERET_BLOBS_DIR"] = str(tmp_path / "shared")
        elif place == "bucket":
            environment |= in_a_bucket(stack)
        port = free_port()
        for command, folder in zip((("gateway", "--port", str(port)), ("worker", "same.py")), folders, strict=True):
            stack.enter_context(Program(*command, folder=folder, environment=environment)).wait_ready()
        client = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60))

        file = client.post("/v1/files", files={"content": ("hare.bin", content)}).json()
        answer = client.post(
            "/v1/models/local/same/predictions",
            json={"input": {"file": file["urls"]["get"]}},
            headers={"Prefer": "wait=60"},
        ).json()
        assert answer["status"] == "succeeded", answer["error"]
        same, backwards = [httpx2.get(url) for url in answer["output"]]
        part = httpx2.get(answer["output"][0], headers={"Range": "bytes=500000-500009"})
        client.delete(file["urls"]["get"])

        assert (content, content[::-1]) == (same.content, backwards.content)
        assert ("application/octet-stream", "text/plain") == (
            same.headers["content-type"],
            backwards.headers["content-type"],
        )
        assert (206, content[500_000:500_010]) == (part.status_code, part.content)
        assert 404 == client.get(file["urls"]["download"]).status_code
