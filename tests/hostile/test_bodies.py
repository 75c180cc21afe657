"""Bodies that are no JSON, too much of it, or something else that is packed."""

from __future__ import annotations

import gzip
import zlib
from itertools import repeat

import pytest

from tests.hostile.victim import TOLERANCE, Victim, request

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ECHO = "/v1/models/local/echo/predictions"
CHUNKED = "Transfer-Encoding: chunked"


def around(text: bytes) -> bytes:
    return b'{"input": {"text": %s}}' % text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[" * 400_000, 413, "too_deep"),
        (b'{"a":' * 100_000, 413, "too_deep"),
        (around(b"[" * 101 + b"]" * 101), 413, "too_deep"),
        (around(b'"[' + b"[" * 100_000 + b'"'), 201, ""),
        (around(b'"' + b"\\" * 400_000), 400, "malformed_json"),
        (around(b"1" + b"0" * 400_000), 422, "invalid_request"),
        (around(b"1e" + b"9" * 400_000), 422, "invalid_request"),
        (around(b"-1e999"), 422, "invalid_request"),
        (around(b"NaN"), 400, "malformed_json"),
        (around(b"Infinity"), 400, "malformed_json"),
        (around(b"01"), 400, "malformed_json"),
        (b'{"input": {"text": "a"}, "input": {"text": "b"}}', 201, ""),
        (b'{"input": {"text": "a", "text": 1}}', 422, "invalid_input"),
        (b"{" + b",".join([b'"a%d":1' % number for number in range(50_000)]) + b"}", 422, "invalid_request"),
        (around(b"{" + b",".join([b'"a%d":1' % number for number in range(50_000)]) + b"}"), 422, "invalid_input"),
        (around(b'"\xff"'), 400, "malformed_json"),
        (around(b'"\xed\xa0\x80"'), 400, "malformed_json"),
        (around(b'"\xc0\xaf"'), 400, "malformed_json"),
        (around(b'"\\ud800"'), 400, "malformed_json"),
        (around(b'"\\udc00\\ud800"'), 400, "malformed_json"),
        (around(b'"\\u0000"'), 201, ""),
        (around(b'"\x00"'), 400, "malformed_json"),
        (around(b'"a') + b"\0" * 1000, 400, "malformed_json"),
        (b"\xef\xbb\xbf" + around(b'"a"'), 400, "malformed_json"),
        (around(b'"a"').decode().encode("utf-16"), 400, "malformed_json"),
        (b"", 400, "malformed_json"),
        (b"null", 422, "invalid_request"),
        (b"[]", 422, "invalid_request"),
        (b'{"__proto__": {"input": {}}}', 422, "invalid_request"),
        (b'{"input": {"text": "a", "__class__": "os"}}', 422, "invalid_input"),
        (b"input=1", 400, "malformed_json"),
    ],
    ids=lambda value: repr(value[:40]) if isinstance(value, bytes) else None,
)
def test_a_body_is_taken_or_refused_for_what_it_is(victim: Victim, body: bytes, status: int, code: str) -> None:
    answer = victim.exchange(request(ECHO, body))

    assert (status, code) == (answer.status, answer.code if status != 201 else "")


ZEROS = b"\0" * 100_000_000
PACKED = {
    "gzip": gzip.compress(ZEROS, 9),
    "deflate": zlib.compress(ZEROS, 9),
    "br": b"\x1b" + b"\xff" * 1000,
    "zstd": b"\x28\xb5\x2f\xfd" + b"\xff" * 1000,
    "gzip, gzip": gzip.compress(gzip.compress(ZEROS, 9), 9),
    "GZIP": gzip.compress(b"{}"),
    "identity, gzip": gzip.compress(b"{}"),
}


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("path", [ECHO, "/v1/predictions", "/v1/files", "/admin/v1/keys"])
def test_a_body_that_is_packed_is_not_unpacked(victim: Victim, path: str, encoding: str) -> None:
    before = victim.memory()

    headers = [f"Content-Encoding: {encoding}", "Content-Type: multipart/form-data; boundary=b"]
    answer = victim.exchange(request(path, PACKED[encoding], *headers))

    assert (415, "unsupported_encoding") == (answer.status, answer.code)
    assert victim.peak() < before + TOLERANCE


def test_a_length_beyond_the_limit_is_refused_before_anything_is_sent(victim: Victim) -> None:
    lengths = [1_000_001, 10**12, 2**63 - 1]

    answers = [victim.exchange(request(ECHO, length=length)) for length in lengths]

    assert ["body_too_large"] * 3 == [answer.code for answer in answers]


@pytest.mark.parametrize("chunk", [b"1\r\n \r\n" * 10_000, b"186A0\r\n" + b" " * 100_000 + b"\r\n"])
def test_chunks_without_end_are_refused_at_the_limit(victim: Victim, chunk: bytes) -> None:
    before = victim.memory()

    answer = victim.exchange(request(ECHO, b"", CHUNKED), *repeat(chunk, 500))

    assert "body_too_large" == answer.code
    assert victim.peak() < before + TOLERANCE


def test_a_body_that_ends_too_early_is_nobodys(victim: Victim) -> None:
    for body in (request(ECHO, b"{", length=10), request(ECHO, b"5\r\n{", CHUNKED)):
        with victim.wire() as wire:
            wire.send(body)
