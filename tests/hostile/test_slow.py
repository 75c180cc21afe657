"""Clients that take their time: each keeps a connection, and gets nothing else for it."""

from __future__ import annotations

import resource
import select
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeAlias

import pytest

from leveret.config import GatewaySettings
from leveret.gateway.connections.watch import Watch
from tests.hostile.victim import PATIENCE, TOLERANCE, Victim, Wire, answered, eventually, request

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

Wanted: TypeAlias = Callable[[Victim], AbstractContextManager[bytes]]
"""Makes something large, and says how it is asked for."""

CROWD = 30
PACE = 0.1
"""Seconds between two bytes of a slow client, far less than any timeout of the server's."""

ECHO = "/v1/models/local/echo/predictions"
FORM = "Content-Type: multipart/form-data; boundary=b"
FILE = b'--b\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\n'
END = b"\r\n--b--\r\n"


def drip(wires: list[Wire], piece: bytes) -> tuple[list[int], float]:
    """The statuses with which the server hangs up on clients that all send this again and again, and how soon."""
    began = time.monotonic()
    left = {wire.socket.fileno(): wire for wire in wires}
    said = dict.fromkeys(left, b"")
    while left:
        assert time.monotonic() - began < PATIENCE
        for wire in left.values():
            wire.send(piece)
        for ready in select.select(list(left), [], [], PACE)[0]:
            heard = left[ready].hear()
            said[ready] += heard
            if not heard:
                del left[ready]
    return [answered(one).status for one in said.values()], time.monotonic() - began


@contextmanager
def crowd(victim: Victim, *begun: bytes) -> Iterator[list[Wire]]:
    with ExitStack() as stack:
        wires = [stack.enter_context(victim.wire()) for _ in range(CROWD)]
        for wire in wires:
            assert wire.send(*begun)
        yield wires


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: ", b"a"),
        (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n", b"X: a\r\n"),
        (request(ECHO, length=1000), b" "),
        (request("/v1/files", FILE, FORM, length=100_000), b"a"),
        (request(ECHO, b"", "Transfer-Encoding: chunked"), b"1\r\n \r\n"),
        (request(ECHO, b"", "Transfer-Encoding: chunked") + b"1;", b"a"),
    ],
    ids=["a header", "many headers", "a body", "a file", "chunks", "an extension of a chunk"],
)
def test_who_sends_slowly_is_told_so_and_cut_off(victim: Victim, begun: bytes, piece: bytes) -> None:
    with crowd(victim, begun) as wires:
        said, seconds = drip(wires, piece)

    assert [408] * CROWD == said
    assert seconds < 6
    eventually(victim.uploading, lambda found: not found)


def test_who_sends_nothing_at_all_is_cut_off_without_a_word(victim: Victim) -> None:
    with crowd(victim) as wires:
        assert [b""] * CROWD == [wire.read() for wire in wires]


def test_who_sends_empty_lines_for_ever_is_cut_off(victim: Victim) -> None:
    with crowd(victim) as wires:
        said, _ = drip(wires, b"\r\n")

    assert [0] * CROWD == said


def test_a_connection_that_is_kept_for_nothing_is_closed(victim: Victim) -> None:
    with crowd(victim, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n") as wires:
        assert [200] * CROWD == [wire.answer().status for wire in wires]


def test_a_body_behind_its_refusal_is_not_listened_to_for_long(victim: Victim) -> None:
    with crowd(victim, request(ECHO, length=2_000_000).replace(b"Connection: close\r\n", b"")) as wires:
        said, seconds = drip(wires, b"a")

    assert [413] * CROWD == said
    assert seconds < 10


def test_who_is_slow_but_steady_is_heard_to_the_end(victim: Victim) -> None:
    text = "hare" * 1000
    body = b'{"input": {"text": "%s"}}' % text.encode()
    with victim.wire() as wire:
        wire.send(request(ECHO, length=len(body)))
        for start in range(0, len(body), 100):
            assert not select.select([wire.socket], [], [], 0.08)[0]
            assert wire.send(body[start : start + 100])

        assert 201 == wire.answer().status


def never_reading(victim: Victim, *asked: bytes) -> Wire:
    """A client that has asked for much and reads no more than how it begins."""
    wire = victim.wire(receive_buffer=4096)
    assert wire.send(*asked)
    assert wire.socket.recv(9)
    return wire


@contextmanager
def a_download(victim: Victim) -> Iterator[bytes]:
    file = victim.client.post("/v1/files", files={"content": ("a", b"x" * 20_000_000)}).json()
    yield request(str(file["urls"]["download"]).removeprefix(victim.url), method="GET")
    victim.client.delete(file["urls"]["get"])


@contextmanager
def a_stream(victim: Victim) -> Iterator[bytes]:
    with victim.poured() as prediction:
        yield request(f"/v1/predictions/{prediction}/events", method="GET")


@pytest.mark.parametrize("wanted", [a_download, a_stream])
def test_who_never_reads_is_cut_off(victim: Victim, wanted: Wanted) -> None:
    with ExitStack() as stack:
        asked = stack.enter_context(wanted(victim))
        eventually(victim.connections, lambda found: not found)
        memory = victim.memory()
        for _ in range(5):
            stack.enter_context(never_reading(victim, asked))
        eventually(victim.connections, lambda found: found == 5)
        eventually(victim.connections, lambda found: not found)

    assert victim.peak() < memory + 4 * TOLERANCE  # the record is read once for each, and not kept for all of them


def test_who_reads_slowly_but_steadily_gets_it_all(victim: Victim) -> None:
    with a_download(victim) as asked, never_reading(victim, asked) as wire:
        found = bytearray(b"HTTP/1.1 ")
        until = time.monotonic() + 3
        while time.monotonic() < until:
            found += wire.socket.recv(1000)
            select.select([], [], [], 0.05)
        found += wire.read()

    assert 20_000_000 == len(answered(bytes(found)).body)


def test_beyond_the_limit_a_connection_is_refused_and_those_there_are_served(victim: Victim) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(victim.wire()) for _ in range(64)]
        eventually(victim.connections, lambda found: found == 64)
        refused = [victim.exchange() for _ in range(20)]
        wires[0].send(request("/health/live", method="GET"))
        served = wires[0].answer()

    assert {(503, "too_many_connections")} == {(one.status, one.code) for one in refused}
    assert all("retry-after: " in one.head for one in refused)
    assert 200 == served.status


def test_without_a_limit_connections_leave_room_for_the_other_files_of_the_process() -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)

    assert files - files // 4 == Watch(GatewaySettings()).most
