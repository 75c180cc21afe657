"""Files and the forms that they come in: kept as they are, under names that are only names."""

from __future__ import annotations

import io
import zipfile
from itertools import repeat
from pathlib import Path

import httpx2
import pytest

from tests.hostile.victim import TOLERANCE, Victim, eventually, request

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

NAMES = [
    "../../x",
    "..",
    ".",
    "/etc/passwd",
    "//etc/passwd",
    "..\\..\\x",
    "C:\\x",
    "%2e%2e%2fx",
    "..%c0%afx",
    "a\0b.txt",
    "a%00b",
    "a\tb",
    "CON",
    ".ssh/authorized_keys",
    "a;b=c",
    "a;%20filename=b",
    "\u202etxt.exe",
    "\u2025/x",
    "a" * 255,
    "é" * 127,
    "-rf",
    "`id`$(id)|id",
    "<script>",
]
BOUNDARY = "b"
FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"


def part(disposition: str, content: bytes = b"x") -> bytes:
    return (
        f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode("utf-8", "surrogateescape")
        + content
        + b"\r\n"
    )


CONTENT = part('form-data; name="content"; filename="a"')
END = f"--{BOUNDARY}--\r\n".encode()


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if ".leveret" not in path.parts}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["in a field", "in the part"])
def test_a_name_leads_nowhere_and_tells_a_browser_nothing_else(victim: Victim, name: str, where: str) -> None:
    before = everything(victim.folder)
    in_a_field = where == "in a field"
    files = {"content": ("a" if in_a_field else name, b"hare")}

    file = victim.client.post("/v1/files", files=files, data={"filename": name} if in_a_field else {}).json()
    answer = victim.client.get(file["urls"]["download"])
    output = victim.run("size", {"file": file["urls"]["get"]}).json()["output"]

    assert not {"/", "\\", "\0", "\t", "\r", "\n"} & set(file["name"])
    assert (200, b"hare") == (answer.status_code, answer.content)
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('inline; filename="')
    assert disposition.isascii()
    assert disposition.isprintable()
    assert 2 == disposition.count('"')
    assert "4" == output[0]
    assert "leveret-spool-" in output[2]
    assert before == everything(victim.folder)
    victim.client.delete(file["urls"]["get"])


@pytest.mark.parametrize(
    "raw",
    [
        b'a"\r\nX-Evil: 1\r\n\r\n<script>',
        b"a%0d%0aX-Evil: 1",
        b"a\rX-Evil: 1",
        b"a\nX-Evil: 1",
        b'a\\"; filename="b',
        b"\xff\xfe",
        b"=?utf-8?q?=0D=0AX-Evil:?=",
    ],
)
def test_a_name_cannot_end_the_line_of_a_header(victim: Victim, raw: bytes) -> None:
    body = part('form-data; name="content"; filename="%s"').replace(b"%s", raw) + END

    kept = victim.exchange(request("/v1/files", body, FORM))

    if kept.status != 201:
        assert kept.status in (400, 422)
        return
    url = httpx2.URL(victim.client.get("/v1/files").json()["results"][0]["urls"]["download"])
    answer = victim.exchange(request(url.raw_path.decode(), method="GET"))
    assert 200 == answer.status
    assert not [line for line in answer.head.splitlines() if line.lower().startswith("x-evil")]


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a\0b", "x." + "y" * 5000, "x.\0"])
def test_the_name_in_a_data_url_leads_nowhere_either(victim: Victim, name: str) -> None:
    before = everything(victim.folder)
    quoted = httpx2.URL(params={"name": name}).query.decode()

    ended = victim.run("size", {"file": f"data:text/plain;{quoted};base64,aGFyZQ=="}).json()

    assert ended["status"] in ("succeeded", "failed")
    assert ended["status"] == "failed" or "4" == ended["output"][0]
    assert before == everything(victim.folder)


def test_a_bomb_is_kept_as_it_is(victim: Victim) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bomb, bomb.open("zeros", "w", force_zip64=True) as zeros:
        for _ in range(200):
            zeros.write(b"\0" * 1_000_000)
    before = victim.memory()

    file = victim.client.post("/v1/files", files={"content": ("bomb.zip", packed.getvalue())}).json()
    output = victim.run("size", {"file": file["urls"]["get"]}).json()["output"]

    size = len(packed.getvalue())
    assert size < 1_000_000
    assert (size, str(size), "application/zip") == (file["size"], output[0], file["content_type"])
    assert victim.peak() < before + TOLERANCE
    victim.client.delete(file["urls"]["get"])


FIELD = part('form-data; name="x"')


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ([*repeat(FIELD * 100, 500), END], FORM),
        ([*[part(f'form-data; name="x{number}"') for number in range(5000)], CONTENT, END], FORM),
        ([b"--b\r\n", *repeat(b"X-Y: z\r\n" * 1000, 500), b"\r\nx\r\n", END], FORM),
        ([b"--b\r\nX-Y: ", *repeat(b"z" * 100_000, 100), b"\r\n\r\nx\r\n", END], FORM),
        ([b"--b\r\n", *repeat(b"z" * 100_000, 100)], FORM),
        ([part('form-data; name="x"', b"x" * 1_000_000), CONTENT, END], FORM),
        ([CONTENT, *repeat(FIELD * 100, 500), END], FORM),
        ([b"x" * 1000, CONTENT, END], FORM),
        ([CONTENT, END], "Content-Type: multipart/form-data"),
        ([CONTENT, END], "Content-Type: multipart/form-data; boundary="),
        ([CONTENT, END], f"Content-Type: multipart/form-data; boundary={'b' * 5000}"),
        ([CONTENT, END], 'Content-Type: multipart/form-data; boundary="b\x80\xff"'),
        ([CONTENT, END], f"Content-Type: multipart/form-data{'; boundary=c' * 1000}"),
        ([CONTENT, END], f"Content-Type: {'multipart/form-data; ' * 1000}"),
        ([b"--b\r\nContent-Disposition: form-data" + b"; name=a" * 400 + b"\r\n\r\nx\r\n", END], FORM),
        ([b"--b\r\nContent-Disposition: form-data; name*=" + b"utf-8''%" * 400 + b"\r\n\r\nx\r\n", END], FORM),
        ([b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n", END], FORM),
        ([b"--b\r\n\r\n\r\n", END], FORM),
        ([b"\r\n" * 50_000, CONTENT], FORM),
        ([b"--b" * 100_000], FORM),
    ],
)
def test_a_form_that_abuses_its_parts_is_refused_and_leaves_nothing(
    victim: Victim, body: list[bytes], kind: str
) -> None:
    before = victim.memory()
    known = len(victim.client.get("/v1/files").json()["results"])

    length = sum(map(len, body))
    answer = victim.exchange(request("/v1/files", b"", kind, length=length), *body)

    assert answer.status in (400, 413, 422), answer
    assert answer.code in ("bad_request", "invalid_request", "body_too_large")
    assert victim.peak() < before + TOLERANCE
    assert known == len(victim.client.get("/v1/files").json()["results"])
    eventually(victim.uploading, lambda found: not found)


def test_what_follows_a_form_without_end_is_refused_at_the_limit(victim: Victim) -> None:
    before = victim.memory()

    chunk = b"186A0\r\n" + b"x" * 100_000 + b"\r\n"
    form = CONTENT + END
    begun = request("/v1/files", b"%x\r\n%s\r\n" % (len(form), form), FORM, "Transfer-Encoding: chunked")
    answer = victim.exchange(begun, *repeat(chunk, 600))

    assert "body_too_large" == answer.code
    assert victim.peak() < before + TOLERANCE
