"""Files of both clients: in inputs, uploaded, and downloaded from outputs."""

from __future__ import annotations

import asyncio
import email.parser
import email.policy
import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from leveret import File
from leveret.client import AsyncClient, Client
from leveret.client.inputs import INLINE
from leveret.errors import InvalidRequest
from tests.client.both import Either
from tests.gateway.served import Gateway

STORED = "http://files.example/v1/files/f1"


class Requests:
    """What was asked of a server."""

    def __init__(self) -> None:
        self.files: list[tuple[str, str, bytes]] = []
        self.inputs: list[object] = []
        self.tokens: list[str | None] = []


@contextmanager
def stand_in(content: bytes = b"", *, cuts: int = 0) -> Iterator[tuple[str, Requests]]:
    """A server that stores files as section 4.9 of Replicate's API says, and serves `content` at /file."""
    asked, left = Requests(), [cuts]

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or self._chunks()
            asked.tokens.append(self.headers["Authorization"])
            if self.path == "/v1/files":
                asked.files.append(_part(self.headers["Content-Type"], body))
                return self._answer(201, {"id": "f1", "urls": {"get": STORED}})
            asked.inputs.append(msgspec.json.decode(body)["input"])
            created = {"id": "p1", "model": "local/echo", "status": "starting", "created_at": "2026-01-01T00:00:00Z"}
            return self._answer(201, created)

        def do_GET(self) -> None:
            asked.tokens.append(self.headers["Authorization"])
            if self.path == "/elsewhere":
                self.send_response(302)
                self.send_header("Location", "/file")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            whole = not left[0]
            left[0] -= not whole
            self.wfile.write(content if whole else content[:-1])
            self.close_connection = True

        def _chunks(self) -> bytes:
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        def _answer(self, status: int, content: object) -> None:
            body = msgspec.json.encode(content)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    Handler.protocol_version = "HTTP/1.1"
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            serving.join()


def _part(content_type: str, body: bytes) -> tuple[str, str, bytes]:
    """The file in a form: its name, its content type and its content."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    (part,) = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body).iter_parts()
    assert "content" == part.get_param("name", header="content-disposition")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return part.get_filename() or "", part.get_content_type(), content


async def sent(gateway: Gateway, client: Either, file: object) -> object:
    """What stands in the input for the file."""
    return (await client.submit("echo", {"text": file})).prediction.input["text"]


async def test_a_small_file_travels_in_the_input(gateway: Gateway, client: Either, tmp_path: Path) -> None:
    path = tmp_path / "ä note.txt"
    path.write_bytes(b"hello")
    with path.open("rb") as opened:
        found = [
            await sent(gateway, client, file)
            for file in (path, opened, b"hello", io.BytesIO(b"hello"), File(b"hello", "text/plain", "ä note.txt"))
        ]

    named = "data:text/plain;name=%C3%A4%20note.txt;base64,aGVsbG8="
    nameless = "data:application/octet-stream;base64,aGVsbG8="
    assert [named, named, nameless, nameless, named] == found
    assert File(b"hello", "text/plain", "ä note.txt") == File.from_url(named)


async def test_files_stand_anywhere_in_an_input(client: Either) -> None:
    handle = await client.submit("echo", {"text": "x", "tags": [b"a", b"b"]})

    assert ["data:application/octet-stream;base64,YQ==", "data:application/octet-stream;base64,Yg=="] == (
        handle.prediction.input["tags"]
    )


async def test_what_is_no_file_of_bytes_is_refused(client: Either, tmp_path: Path) -> None:
    for file, words in ((io.StringIO("x"), "mode 'rb'"), (tmp_path / "missing", "cannot be read")):
        with pytest.raises(InvalidRequest, match=words):
            await client.submit("echo", {"text": file})
    with pytest.raises(InvalidRequest, match="is no file"):
        await client.upload("text")


async def test_a_large_file_is_whole_whether_the_gateway_stores_files_or_not(gateway: Gateway, client: Either) -> None:
    text = await sent(gateway, client, b"x" * (INLINE + 1))

    assert isinstance(text, str)
    assert text.startswith(("data:application/octet-stream;base64,eHh4", f"{gateway.url}/v1/files/", "http://"))


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_large_file_is_uploaded_once_and_its_url_stands_for_it(tmp_path: Path, asynchronous: bool) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(content := bytes(range(256)) * 2048)

    def blocking(url: str) -> str:
        with Client(url, token="secret") as client:
            client.submit("echo", {"image": path, "small": b"x"})
            return client.upload(b"tiny")

    with stand_in() as (url, asked):
        if asynchronous:
            async with AsyncClient(url, token="secret") as client:
                await client.submit("echo", {"image": path, "small": b"x"})
                uploaded = await client.upload(b"tiny")
        else:
            uploaded = await asyncio.to_thread(blocking, url)

    assert STORED == uploaded
    assert [("large.png", "image/png", content), ("file", "application/octet-stream", b"tiny")] == asked.files
    assert [{"image": STORED, "small": "data:application/octet-stream;base64,eA=="}] == asked.inputs
    assert ["Bearer secret"] * 3 == asked.tokens


async def test_a_download_is_there_whole_or_not_at_all(client: Either, tmp_path: Path) -> None:
    content = b"x" * 100_000
    (folder := tmp_path / "out").mkdir()
    with stand_in(content, cuts=2) as (url, _):
        path = await client.download(f"{url}/elsewhere", folder / "a.bin")
    inline = await client.download("data:text/plain;name=a.txt;base64,aGVsbG8=", folder / "c.txt")
    named = [await client.download("data:text/plain;name=c.txt,bye", folder) for _ in range(2)]
    for wrong in ("ftp://127.0.0.1/a", "data:;base64,a", "data:nothing", "a.txt"):
        with pytest.raises(InvalidRequest):
            await client.download(wrong, folder / "b.bin")

    assert (content, b"hello") == (path.read_bytes(), inline.read_bytes())
    assert [folder / "c-1.txt", folder / "c-2.txt"] == named
    assert {"a.bin", "c.txt", "c-1.txt", "c-2.txt"} == set(os.listdir(folder))


def test_the_token_is_told_to_its_gateway_and_nobody_else(tmp_path: Path) -> None:
    with (
        stand_in(b"mine") as (url, asked),
        stand_in(b"theirs") as (elsewhere, overheard),
        Client(url, token="secret") as client,
    ):
        client.download(f"{url}/file", tmp_path / "a")
        client.download(f"{elsewhere}/file", tmp_path / "b")

    assert (["Bearer secret"], [None]) == (asked.tokens, overheard.tokens)
    assert b"theirs" == (tmp_path / "b").read_bytes()
