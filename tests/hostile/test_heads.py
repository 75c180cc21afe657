"""Heads that are too large, or that two servers could read in two ways."""

from __future__ import annotations

from itertools import repeat

import pytest

from leveret.gateway.connections.http import MOST_AHEAD
from tests.hostile.victim import TOLERANCE, Answer, Victim, Wire, request

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LIVE = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n"
POST = "POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\n"
SOCKET = "Connection: close, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"

REFUSED = {
    "both a length and chunks": f"{POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{LIVE}\r\n",
    "two lengths": f"{POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}{{}}",
    "a list of lengths": f"{POST}Content-Length: 2, 2\r\n\r\n{{}}",
    "a negative length": f"{POST}Content-Length: -2\r\n\r\n{{}}",
    "a length with a sign": f"{POST}Content-Length: +2\r\n\r\n{{}}",
    "a length in hex": f"{POST}Content-Length: 0x2\r\n\r\n{{}}",
    "a length that overflows": f"{POST}Content-Length: 18446744073709551618\r\n\r\n{{}}",
    "chunks behind something else": f"{POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": f"{POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a folded line": f"{LIVE}X: a\r\n b\r\n\r\n",
    "a NUL": f"{LIVE}X: a\0b\r\n\r\n",
    "a bare CR": f"{LIVE}X: a\rY: b\r\n\r\n",
    "bare LFs": "GET /health/live HTTP/1.1\nHost: localhost\n\n",
    "a negative chunk": f"{POST}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "a chunk that overflows": f"{POST}Transfer-Encoding: chunked\r\n\r\n11111111111111112\r\n{{}}\r\n0\r\n\r\n",
    "a chunk that is longer than it says": f"{POST}Transfer-Encoding: chunked\r\n\r\n1\r\n{{}}\r\n0\r\n\r\n",
    "no host": "GET /health/live HTTP/1.1\r\n\r\n",
    "two hosts": f"{LIVE}Host: y\r\n\r\n",
    "letters beyond ASCII in the path": "GET /h\xe4re HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "another protocol": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "a" * 100,
    "the other version": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no protocol": "hello\r\n\r\n",
    "a tunnel": "CONNECT metadata.internal:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
}
"""None of it may be understood, not even in part, and nothing is heard behind it."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_be_read_in_two_ways_is_not_read_at_all(victim: Victim, name: str) -> None:
    answer = victim.exchange(REFUSED[name].encode("latin-1"))

    assert (400, "bad_request") == (answer.status, answer.code)


@pytest.mark.parametrize("coding", ["gzip, chunked", "xChunked", "identity"])
def test_a_coding_of_the_transfer_that_nobody_undoes_is_refused(victim: Victim, coding: str) -> None:
    answer = victim.exchange(f"{POST}Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n".encode())

    assert (415, "unsupported_encoding") == (answer.status, answer.code)


def test_what_came_before_is_answered_and_what_comes_behind_is_not_heard(victim: Victim) -> None:
    with victim.wire() as wire:
        wire.send(f"{LIVE}\r\n{LIVE}Content-Length: -1\r\n\r\n{LIVE}\r\n".encode())
        said = wire.read()

    assert [b"200 OK"] == [line[9:] for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        ([LIVE.encode(), b"X: ", *repeat(b"a" * 100_000, 500), b"\r\n\r\n"], 431, "head_too_large"),
        ([LIVE.encode(), *repeat(b"X: a\r\n" * 1000, 1000), b"\r\n"], 431, "head_too_large"),
        ([LIVE.encode(), b"X: a\r\n" * 200, b"\r\n"], 431, "head_too_large"),
        ([LIVE.encode(), *repeat(b"x" * 100_000, 500)], 431, "head_too_large"),
        ([*repeat(b"\r\n" * 50_000, 500)], 431, "head_too_large"),
        ([b"GET /", *repeat(b"a" * 100_000, 500), b" HTTP/1.1\r\nHost: localhost\r\n\r\n"], 414, "url_too_long"),
        ([b"GET /?", b"a" * 20_000, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"], 414, "url_too_long"),
    ],
    ids=["long header", "many headers", "short ones", "endless name", "empty lines", "long path", "long query"],
)
def test_a_head_that_is_too_large_is_refused_and_not_kept(
    victim: Victim, head: list[bytes], status: int, code: str
) -> None:
    before = victim.memory()

    answer = victim.exchange(*head)

    assert (status, code) == (answer.status, answer.code)
    assert victim.peak() < before + TOLERANCE


@pytest.mark.parametrize(
    "rest",
    [
        [b"1;x=", *repeat(b"a" * 100_000, 500), b"\r\n{\r\n0\r\n\r\n"],
        [b"2\r\n{}\r\n0\r\n", *repeat(b"X: a\r\n" * 10_000, 500), b"\r\n"],
        [b"2\r\n{}\r\n0\r\nX: ", *repeat(b"a" * 100_000, 500), b"\r\n\r\n"],
    ],
    ids=["an extension of a chunk", "trailers", "a trailer"],
)
def test_what_stands_around_a_body_is_bounded_too(victim: Victim, rest: list[bytes]) -> None:
    before = victim.memory()

    with victim.wire() as wire:
        there = wire.send(f"{POST}Transfer-Encoding: chunked\r\n\r\n".encode(), *rest)

    assert not there
    assert victim.peak() < before + TOLERANCE


def test_trailers_are_no_headers(victim: Victim) -> None:
    body = b'1a\r\n{"input":{"text":"hello"}}\r\n0\r\nIdempotency-Key: "trailer"\r\nPrefer: wait=20\r\n\r\n'
    path = "/v1/models/local/echo/predictions"

    answers = [victim.exchange(request(path, body, "Transfer-Encoding: chunked")) for _ in range(2)]

    assert [201, 201] == [answer.status for answer in answers]
    assert "idempotent-replayed" not in answers[1].head
    assert "preference-applied" not in answers[1].head


def test_only_so_many_requests_are_read_ahead(victim: Victim) -> None:
    before = victim.memory()

    with victim.wire() as wire:
        wire.send(*repeat(f"{LIVE}\r\n".encode() * 5000, 40))
        said = wire.read()

    assert 1 <= said.count(b"HTTP/1.1 200 OK") <= MOST_AHEAD + 1
    assert victim.peak() < before + TOLERANCE


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"GET /v1/socket HTTP/1.1\r\nHost: localhost\r\n{SOCKET}X: {'a' * 9000}\r\nSec-WebSocket-Key: x\r\n\r\n", 431),
        (f"GET /v1/socket HTTP/1.1\r\nHost: localhost\r\n{SOCKET}Sec-WebSocket-Key: x\r\n\r\n", 400),
        (f"GET /v1/socket HTTP/1.1\r\nHost: localhost\r\n{SOCKET}\r\n", 400),
        (f"POST /v1/socket HTTP/1.1\r\nHost: localhost\r\n{SOCKET}Content-Length: 2\r\n\r\n{{}}", 405),
        (f"GET /v1/socket HTTP/1.0\r\nHost: localhost\r\n{SOCKET}Sec-WebSocket-Key: x\r\n\r\n", 400),
        ("GET /v1/socket HTTP/1.1\r\nHost: localhost\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n", 426),
    ],
)
def test_a_handshake_that_is_none_is_answered_and_the_connection_closed(victim: Victim, head: str, status: int) -> None:
    with victim.wire() as wire:
        wire.send(head.encode())

        assert status == wire.answer().status


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ([LIVE.encode(), *repeat(b"X: a\r\n" * 1000, 1000), b"\r\n"], 431),
        ([POST.encode(), b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"], 400),
        ([b"GET /health/live HTTP/1.1\r\n\r\n"], 400),
        ([LIVE.encode(), b"Connection: close\r\n\r\n"], 200),
    ],
)
def test_the_port_of_a_workers_health_has_the_same_bounds(victim: Victim, data: list[bytes], status: int) -> None:
    with Wire(victim.health_port) as wire:
        wire.send(*data)

        assert status == wire.answer().status


def test_nothing_said_is_nothing_answered(victim: Victim) -> None:
    assert Answer() == victim.exchange(b"")
