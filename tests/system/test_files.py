"""Large files through a whole server: put here and read again, without ever being in its memory."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

MIB = 1024 * 1024
SIZE = int(os.environ.get("FILES_TEST_MIB", "256")) * MIB
MOST_MEMORY = 200 * MIB

MODEL = "from leveret import model\n\n@model\ndef same(text: str) -> str:\n    return text\n"

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


def most_memory(pid: int) -> int:
    """The most memory, in bytes, that the process has ever had."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def test_a_large_file_is_never_whole_in_memory(tmp_path: Path) -> None:
    (tmp_path / "same.py").write_text(MODEL)
    port = free_port()
    sent, read = hashlib.sha256(), hashlib.sha256()
    with (
        Program("serve", "same.py", "--port", str(port), folder=tmp_path, environment=QUICK) as program,
        httpx2.Client(base_url=f"http://127.0.0.1:{program.wait_ready() and port}", timeout=60) as client,
    ):
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
