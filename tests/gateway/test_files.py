"""Files over HTTP: put here, found again, read by whoever has a link, and gone."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import httpx2
import pytest
from msgspec.structs import replace

from leveret.config import GatewaySettings
from leveret.core.uploads import LIFETIME
from tests.gateway.served import Gateway, eventually, serving

HARE = b"hare\x00\xff" * 50_000
"""Larger than what any part of the way takes in one go."""

BOUNDARY = "-" * 20 + "b"
KIND = f"multipart/form-data; boundary={BOUNDARY}"


async def put(
    gateway: Gateway, content: bytes = HARE, *, name: str = "hare.png", kind: str = "image/png", **fields: str
) -> httpx2.Response:
    files = {"content": (name, content, kind)}
    return await gateway.client.post("/v1/files", files=files, data=fields)


async def send(gateway: Gateway, *parts: bytes, kind: str = KIND) -> httpx2.Response:
    """A form as it is written here."""
    body = b"".join(parts)
    return await gateway.client.post("/v1/files", content=body, headers={"Content-Type": kind})


def part(header: str, content: bytes) -> bytes:
    return f"--{BOUNDARY}\r\n{header}\r\n\r\n".encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
CONTENT = part('Content-Disposition: form-data; name="content"; filename="a.txt"\r\nContent-Type: text/plain', b"hare")


class TestPutting:
    async def test_a_file_is_answered_with_all_that_is_known_of_it(self, gateway: Gateway) -> None:
        answer = await put(gateway, metadata='{"for": "a test"}')

        file = answer.json()
        assert answer.status_code == 201
        assert ("hare.png", "image/png", len(HARE)) == (file["name"], file["content_type"], file["size"])
        md5, sha256 = hashlib.md5(HARE).hexdigest(), hashlib.sha256(HARE).hexdigest()
        assert (md5, {"md5": md5, "sha256": sha256}) == (file["etag"], file["checksums"])
        assert file["metadata"] == {"for": "a test"}
        assert file["urls"]["get"] == f"{gateway.url}/v1/files/{file['id']}"
        created, expires = (datetime.fromisoformat(file[name]) for name in ("created_at", "expires_at"))
        assert LIFETIME == (expires - created).total_seconds()
        assert file == (await gateway.client.get(file["urls"]["get"])).json()

    async def test_its_bytes_are_what_was_sent(self, gateway: Gateway) -> None:
        file = (await put(gateway)).json()

        assert HARE == (await gateway.client.get(file["urls"]["download"])).content

    async def test_an_empty_file_is_one_too(self, gateway: Gateway) -> None:
        file = (await put(gateway, b"")).json()

        answer = await gateway.client.get(file["urls"]["download"])
        assert (0, 200, b"") == (file["size"], answer.status_code, answer.content)

    @pytest.mark.parametrize(
        ("given", "name"),
        [
            ("hare.png", "hare.png"),
            ("häre ☃.png", "häre ☃.png"),
            ("/etc/passwd", "passwd"),
            ("C:\\pictures\\hare.png", "hare.png"),
            ("a\u2028b\u202ec.png", "abc.png"),
            ("..", ".."),
            ("x/", "file"),
        ],
    )
    async def test_a_name_is_only_a_name(self, gateway: Gateway, given: str, name: str) -> None:
        assert name == (await put(gateway, filename=given)).json()["name"]

    @pytest.mark.parametrize(
        ("name", "kind", "expected"),
        [
            ("a.png", "", "image/png"),
            ("a.png", "application/octet-stream", "image/png"),
            ("a", "", "application/octet-stream"),
            ("a.txt", "text/html; charset=utf-8", "text/html; charset=utf-8"),
            ("a.txt", "no/t a/type", "text/plain"),
        ],
    )
    async def test_the_content_type_is_given_or_that_of_the_name(
        self, gateway: Gateway, name: str, kind: str, expected: str
    ) -> None:
        given = (await put(gateway, name=name, kind=kind or "application/octet-stream")).json()
        in_a_field = (await put(gateway, name=name, kind="application/octet-stream", type=kind)).json()

        assert (expected, expected) == (given["content_type"], in_a_field["content_type"])

    async def test_fields_may_stand_behind_the_file(self, gateway: Gateway) -> None:
        field = part('Content-Disposition: form-data; name="metadata"', b'{"a": 1}')
        blob = part('Content-Disposition: form-data; name="type"; filename="blob"', b"text/csv")

        file = (await send(gateway, CONTENT, field, blob, END)).json()

        assert ({"a": 1}, "text/csv", "a.txt") == (file["metadata"], file["content_type"], file["name"])

    @pytest.mark.parametrize(
        ("parts", "problem"),
        [
            ([END], "no file"),
            ([part('Content-Disposition: form-data; name="other"', b"x"), END], "no file"),
            ([part("Content-Type: text/plain", b"x"), END], "no file"),
            ([CONTENT], "not complete"),
            ([b"hello"], "cannot be read"),
            ([CONTENT, CONTENT, END], "two parts"),
            ([CONTENT, part('Content-Disposition: form-data; name="metadata"', b"[1]"), END], "JSON object"),
            ([CONTENT, part('Content-Disposition: form-data; name="metadata"', b"\xff"), END], "JSON object"),
            ([CONTENT, part('Content-Disposition: form-data; name="x"', b"x" * 70_000), END], "larger than"),
            ([CONTENT, part('Content-Disposition: form-data; name="filename"', b"x" * 256), END], "longer than 255"),
        ],
    )
    async def test_what_is_no_such_form_is_refused_and_leaves_nothing(
        self, gateway: Gateway, tmp_path: Path, parts: list[bytes], problem: str
    ) -> None:
        answer = await send(gateway, *parts)

        assert answer.status_code == 422
        assert problem in answer.json()["detail"]
        assert [] == [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
        assert [] == (await gateway.client.get("/v1/files")).json()["results"]
        assert [] == await expired_by(gateway, LIFETIME)

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "multipart/mixed; boundary=b", ""])
    async def test_another_kind_of_body_is_refused(self, gateway: Gateway, kind: str) -> None:
        answer = await send(gateway, CONTENT, END, kind=kind)

        assert answer.status_code == 422
        assert "multipart/form-data" in answer.json()["detail"]

    async def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(self, tmp_path: Path) -> None:
        async with serving(tmp_path, settings=GatewaySettings(max_upload=1000)) as gateway:
            allowed, refused = await put(gateway, b"x" * 1000), await put(gateway, b"x" * 1001)
            announced = await put(gateway, b"x" * 2_000_000)

            assert [201, 413, 413] == [answer.status_code for answer in (allowed, refused, announced)]
            assert "gateway.max_upload" in refused.json()["detail"]
            assert 1 == len([path for path in (tmp_path / "blobs").rglob("*") if path.is_file()])

    async def test_a_client_that_goes_away_leaves_nothing(self, gateway: Gateway, tmp_path: Path) -> None:
        reader, writer = await asyncio.open_connection(*gateway.address)
        head = (
            f"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
        )
        writer.write(f"{head}Content-Length: 10000000\r\n\r\n".encode() + CONTENT[:-2] + HARE)
        blobs = tmp_path / "blobs"

        async def files() -> list[Path]:
            return [path for path in blobs.rglob("*") if path.is_file()]

        await eventually(files, bool)
        writer.close()
        await writer.wait_closed()

        assert [] == await eventually(files, lambda found: not found)
        assert not await reader.read()
        assert [] == await eventually(lambda: expired_by(gateway, LIFETIME), lambda found: not found)


class TestFinding:
    async def test_files_are_listed_by_pages(self, gateway: Gateway) -> None:
        template = await gateway.store.file((await put(gateway, b"x")).json()["id"])
        ids = [f"{number:026d}" for number in range(150)]
        for upload_id in ids:
            await gateway.store.keep(replace(template, id=upload_id))

        first = (await gateway.client.get("/v1/files")).json()
        second = (await gateway.client.get(first["next"])).json()

        assert [template.id, *ids[:50:-1]] == [file["id"] for file in first["results"]]
        assert ids[50::-1] == [file["id"] for file in second["results"]]
        assert (None, None) == (first["previous"], second["next"])

    async def test_what_is_deleted_is_gone(self, gateway: Gateway, tmp_path: Path) -> None:
        file = (await put(gateway)).json()

        answer = await gateway.client.delete(file["urls"]["get"])

        assert (204, b"") == (answer.status_code, answer.content)
        again = [await gateway.client.get(file["urls"][name]) for name in ("get", "download")]
        again.append(await gateway.client.delete(file["urls"]["get"]))
        assert [404, 404, 404] == [answer.status_code for answer in again]
        assert [] == [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]

    @pytest.mark.parametrize("file_id", ["nothing", "0" * 26, "A" * 26, "..", "%2e%2e%2fx"])
    async def test_what_never_was_is_not_found(self, gateway: Gateway, file_id: str) -> None:
        assert 404 == (await gateway.client.get(f"/v1/files/{file_id}")).status_code
        assert 404 == (await gateway.client.delete(f"/v1/files/{file_id}")).status_code

    async def test_what_belongs_to_another_account_is_not_found(self, gateway: Gateway) -> None:
        file = (await put(gateway)).json()
        upload = await gateway.store.file(file["id"])
        await gateway.store.keep(replace(upload, account="other"))

        for answer in (
            await gateway.client.get(file["urls"]["get"]),
            await gateway.client.get(file["urls"]["download"]),
            await gateway.client.delete(file["urls"]["get"]),
        ):
            assert answer.status_code == 404

    async def test_what_has_expired_is_not_found(self, gateway: Gateway) -> None:
        file = (await put(gateway)).json()
        upload = await gateway.store.file(file["id"])
        await gateway.store.keep(replace(upload, expires_at=time.time() - 1))

        for url in file["urls"].values():
            assert 404 == (await gateway.client.get(url)).status_code

    async def test_a_wrong_cursor_is_refused(self, gateway: Gateway) -> None:
        assert 422 == (await gateway.client.get("/v1/files?cursor=%00")).status_code


class TestReading:
    async def test_a_link_needs_nothing_else_and_says_what_it_leads_to(self, gateway: Gateway) -> None:
        file = (await put(gateway, name="häre.png")).json()

        async with httpx2.AsyncClient(follow_redirects=False) as stranger:
            answer = await stranger.get(file["urls"]["download"])

        assert (200, HARE) == (answer.status_code, answer.content)
        headers = answer.headers
        assert ("image/png", str(len(HARE)), "bytes") == tuple(
            headers[name] for name in ("content-type", "content-length", "accept-ranges")
        )
        assert headers["content-disposition"] == "inline; filename=\"h_re.png\"; filename*=UTF-8''h%C3%A4re.png"
        assert headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in headers["content-security-policy"]

    @pytest.mark.parametrize(
        "change",
        [
            lambda url: url.partition("?")[0],
            lambda url: url.replace("owner=local", "owner=other"),
            lambda url: url.replace("expiry=1", "expiry=2"),
            lambda url: url.replace("expiry=", "expiry=0"),
            lambda url: url.replace("expiry=", "expiry=%C2%B2"),
            lambda url: url.replace("signature=", "signature=A"),
            lambda url: url.replace("signature=", "signature=%C3%A9"),
            lambda url: url.replace("/files/0", "/files/1"),
        ],
    )
    async def test_a_link_that_was_changed_is_refused(self, gateway: Gateway, change: Callable[[str], str]) -> None:
        url = (await put(gateway)).json()["urls"]["download"]

        answer = await gateway.client.get(change(url))

        assert (403, "link_refused") == (answer.status_code, answer.json()["code"])

    async def test_a_link_expires(self, tmp_path: Path) -> None:
        async with serving(tmp_path, settings=GatewaySettings(url_lifetime=0.001)) as gateway:
            url = (await put(gateway)).json()["urls"]["download"]

            async def status() -> int:
                return (await gateway.client.get(url)).status_code

            assert 403 == await eventually(status, lambda status: status != 200)

    async def test_a_link_stays_the_same_for_a_while(self, gateway: Gateway) -> None:
        file = (await put(gateway)).json()

        links = {(await gateway.client.get(file["urls"]["get"])).json()["urls"]["download"] for _ in range(3)}

        assert len(links) <= 2  # a new quarter of an hour may begin in between

    async def test_every_gateway_of_an_installation_takes_the_links_of_the_others(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as gateway:
            url = (await put(gateway)).json()["urls"]["download"]
        async with serving(tmp_path) as gateway:
            path = url.replace(str(httpx2.URL(url).copy_with(path="/", query=None)).rstrip("/"), "")

            assert 200 == (await gateway.client.get(path)).status_code

    @pytest.mark.parametrize(
        ("header", "start", "end"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=5-9", 5, 10),
            ("bytes=100000-", 100_000, len(HARE)),
            ("bytes=-7", len(HARE) - 7, len(HARE)),
            (f"bytes=-{len(HARE) + 9}", 0, len(HARE)),
            (f"bytes=299990-{len(HARE) + 9}", 299_990, len(HARE)),
        ],
    )
    async def test_a_part_is_answered(self, gateway: Gateway, header: str, start: int, end: int) -> None:
        url = (await put(gateway)).json()["urls"]["download"]

        answer = await gateway.client.get(url, headers={"Range": header})

        assert (206, HARE[start:end]) == (answer.status_code, answer.content)
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(HARE)}"
        assert answer.headers["content-length"] == str(end - start)

    @pytest.mark.parametrize("header", ["bytes=0-1,5-6", "bytes=9-5", "bytes=", "bytes=-", "lines=0-1", "bytes=a-b"])
    async def test_what_asks_for_no_single_part_gets_all(self, gateway: Gateway, header: str) -> None:
        url = (await put(gateway)).json()["urls"]["download"]

        answer = await gateway.client.get(url, headers={"Range": header})

        assert (200, HARE) == (answer.status_code, answer.content)

    @pytest.mark.parametrize("header", [f"bytes={len(HARE)}-", "bytes=-0", "bytes=999999999999999999-"])
    async def test_a_part_behind_the_end_is_refused(self, gateway: Gateway, header: str) -> None:
        url = (await put(gateway)).json()["urls"]["download"]

        answer = await gateway.client.get(url, headers={"Range": header})

        assert (416, f"bytes */{len(HARE)}") == (answer.status_code, answer.headers["content-range"])

    async def test_a_part_is_only_answered_if_the_rest_is_known(self, gateway: Gateway) -> None:
        url = (await put(gateway)).json()["urls"]["download"]
        etag = (await gateway.client.head(url)).headers["etag"]

        same = await gateway.client.get(url, headers={"Range": "bytes=0-3", "If-Range": etag})
        other = await gateway.client.get(url, headers={"Range": "bytes=0-3", "If-Range": '"other"'})
        known = await gateway.client.get(url, headers={"If-None-Match": f'W/"x", {etag}'})

        assert [206, 200, 304] == [answer.status_code for answer in (same, other, known)]

    async def test_head_answers_the_headers(self, gateway: Gateway) -> None:
        url = (await put(gateway)).json()["urls"]["download"]

        answer = await gateway.client.head(url)

        assert (200, b"", str(len(HARE))) == (answer.status_code, answer.content, answer.headers["content-length"])

    async def test_what_is_damaged_never_seems_complete(self, gateway: Gateway, tmp_path: Path) -> None:
        file = (await put(gateway)).json()
        path = tmp_path / "blobs" / "files" / file["id"]
        path.write_bytes(HARE[:-1] + b"?")

        with pytest.raises(httpx2.HTTPError):
            await gateway.client.get(file["urls"]["download"])

    async def test_a_reader_that_goes_away_is_no_trouble(self, gateway: Gateway) -> None:
        file = (await put(gateway, HARE * 40)).json()
        reader, writer = await asyncio.open_connection(*gateway.address)
        path = httpx2.URL(file["urls"]["download"]).raw_path.decode()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert await reader.readexactly(10)
        writer.close()
        await writer.wait_closed()

        assert 200 == (await gateway.client.get(file["urls"]["download"])).status_code


async def expired_by(gateway: Gateway, seconds: float) -> list[str]:
    """What the sweeper would remove in so many seconds: everything that is kept or expected."""
    rows = await gateway.database.read(
        lambda connection: connection.execute(
            "SELECT id FROM uploads WHERE expires_at <= ?", (time.time() + seconds,)
        ).fetchall()
    )
    return [str(found) for (found,) in rows]


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for one in parts:
        yield one


async def test_a_form_may_be_cut_anywhere(gateway: Gateway) -> None:
    hare = b"\r\n--" + HARE[:100] + f"\r\n--{BOUNDARY[:-1]}".encode()
    field = part('Content-Disposition: form-data; name="metadata"', json.dumps({"a": "b"}).encode())
    content = part('Content-Disposition: form-data; name="content"', hare)
    body = field + content + END
    kind = f'multipart/form-data; charset=utf-8; boundary="{BOUNDARY}"'

    answer = await gateway.client.post(
        "/v1/files", content=chunks(*[body[at : at + 1] for at in range(len(body))]), headers={"Content-Type": kind}
    )

    file = answer.json()
    read = (await gateway.client.get(file["urls"]["download"])).content
    assert (hare, {"a": "b"}) == (read, file["metadata"])
