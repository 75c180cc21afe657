"""Sockets whose clients send too much, in too many pieces, or read nothing."""

from __future__ import annotations

import json
import select
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat

import pytest

from leveret.gateway.connections.websocket import MOST_FRAGMENTS
from tests.hostile.victim import TOLERANCE, Victim, Wire, eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
FIN, PACKED = 0x80, 0x40
MASK = b"\0\0\0\0"
"""It leaves what is sent as it is, and is one all the same."""

SUBMIT = json.dumps({"op": "submit", "model": "local/echo", "input": {"text": "x" * 20_000}}).encode()


def frame(kind: int, content: bytes = b"", *, flags: int = FIN, length: int | None = None, mask: bytes = MASK) -> bytes:
    size = len(content) if length is None else length
    masked = 0x80 if mask else 0
    if size < 126:
        head = struct.pack("!BB", flags | kind, masked | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", flags | kind, masked | 126, size)
    else:
        head = struct.pack("!BBQ", flags | kind, masked | 127, size)
    return head + mask + content


@contextmanager
def opened(victim: Victim, *, receive_buffer: int | None = None, extensions: str = "") -> Iterator[Wire]:
    with victim.wire(receive_buffer=receive_buffer) as wire:
        lines = ["GET /v1/socket HTTP/1.1", "Host: localhost", "Connection: Upgrade", "Upgrade: websocket"]
        lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        if extensions:
            lines.append(f"Sec-WebSocket-Extensions: {extensions}")
        wire.send("\r\n".join([*lines, "", ""]).encode())
        said = b""
        while not said.endswith(b"\r\n\r\n"):
            said += wire.hear()
        assert said.startswith(b"HTTP/1.1 101 ")
        assert b"sec-websocket-extensions" not in said.lower()
        yield wire


def closed_with(wire: Wire) -> int:
    """The code with which the server closes, behind whatever else it says."""
    said = wire.read()
    at, code = 0, 0
    while at < len(said):
        kind, size = said[at] & 0x0F, said[at + 1]
        at += 2
        if size == 126:
            (size,), at = struct.unpack_from("!H", said, at), at + 2
        if kind == CLOSE:
            (code,) = struct.unpack_from("!H", said, at)
        at += size
    return code


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([frame(TEXT, length=2**62)], 1009),
        ([frame(TEXT, length=1_000_001)], 1009),
        ([frame(TEXT, length=2**64 - 1)], 1009),
        ([frame(TEXT, b"a" * 600_000, flags=0), frame(0, b"a" * 600_000)], 1009),
        ([frame(TEXT, b"{}", mask=b"")], 1002),
        ([frame(3, b"{}")], 1002),
        ([frame(TEXT, b"{}", flags=FIN | 0x20)], 1002),
        ([frame(TEXT, zlib.compress(b"a" * 100_000_000)[2:-4], flags=FIN | PACKED)], 1002),
        ([frame(0, b"{}")], 1002),
        ([frame(TEXT, b"{", flags=0), frame(TEXT, b"}")], 1002),
        ([frame(PING, b"a" * 126)], 1002),
        ([frame(PING, b"", flags=0)], 1002),
        ([frame(TEXT, b"\xff\xfe")], 1007),
        ([frame(CLOSE, b"\x03")], 1002),
        ([frame(CLOSE, struct.pack("!H", 1005))], 1002),
        ([frame(TEXT, b"", flags=0), *repeat(frame(0, b"", flags=0) * 10_000, 500)], 1008),
        ([frame(TEXT, b"{", flags=0), *repeat(frame(0, b" ", flags=0) * 10_000, 500)], 1008),
        ([frame(TEXT, b"{", flags=0), *repeat(frame(PING) + frame(0, b" ", flags=0), MOST_FRAGMENTS)], 1008),
    ],
)
def test_what_no_client_sends_closes_the_socket(victim: Victim, sent: list[bytes], code: int) -> None:
    before = victim.memory()

    with opened(victim, extensions="permessage-deflate; client_max_window_bits") as wire:
        wire.send(*sent)

        assert code == closed_with(wire)

    assert victim.peak() < before + TOLERANCE


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 500_000,
        b'{"op": "submit", "model": "local/echo", "input": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"op": "submit", "ref": ' + b'{"a":' * 100_000,
        b'{"op": "submit", "model": "local/echo", "input": {"text": "\\ud800"}}',
        b'{"op": "watch", "id": "../../x", "after": 0}',
        b'{"op": "watch", "id": "\\u0000", "after": 99999999999999999999999999}',
        b'{"op": "cancel", "id": "' + b"a" * 100_000 + b'"}',
        b'{"op": "submit", "model": "\\u0000/\\n", "input": {}}',
        b'{"op": "__init__"}',
        b"null",
        b"",
    ],
    ids=lambda text: repr(text[:50]),
)
def test_what_is_no_operation_is_told_so_and_the_socket_lives(victim: Victim, text: bytes) -> None:
    with opened(victim) as wire:
        wire.send(frame(TEXT, text), frame(BINARY, b"x"), frame(TEXT, b"{}"))
        said = b""
        while said.count(b'"type":"error"') < 3:
            heard = wire.hear()
            assert heard, said
            said += heard


def test_a_submit_may_not_be_nested_more_deeply_than_a_post(victim: Victim) -> None:
    text = b'{"op": "submit", "model": "local/echo", "input": {"text": ' + b"[" * 150 + b"]" * 150 + b"}}"
    with opened(victim) as wire:
        wire.send(frame(TEXT, text))

        assert b'"code":"too_deep"' in wire.hear()


def test_a_message_in_pieces_is_heard_as_one(victim: Victim) -> None:
    mask = bytes(range(4))
    sent = '{"op": "häre ☃"}'.encode()
    masked = [bytes(byte ^ mask[at % 4] for at, byte in enumerate(piece)) for piece in (sent[:10], sent[10:])]
    with opened(victim) as wire:
        wire.send(frame(TEXT, masked[0], flags=0, mask=mask), frame(PING), frame(0, masked[1], mask=mask))
        said = b""
        while "häre ☃".encode() not in said:
            heard = wire.hear()
            assert heard, said
            said += heard


def test_who_is_slow_with_a_message_is_cut_off(victim: Victim) -> None:
    with opened(victim) as wire:
        wire.send(frame(TEXT, length=1000))
        began = time.monotonic()
        while not select.select([wire.socket], [], [], 0.1)[0]:
            wire.send(b"a")
        code = closed_with(wire)

    assert 1008 == code
    assert time.monotonic() - began < 6


@pytest.mark.parametrize("flood", [frame(PING, b"a" * 125), frame(TEXT, b"x"), frame(TEXT, SUBMIT)])
def test_who_floods_and_never_reads_makes_nothing_grow_and_is_cut_off(victim: Victim, flood: bytes) -> None:
    before = victim.memory()

    with opened(victim, receive_buffer=4096) as wire:
        wire.socket.setblocking(False)
        sent = 0
        block = flood * (1_000_000 // len(flood))
        until = time.monotonic() + 15
        while sent < 200_000_000 and time.monotonic() < until:
            if not select.select([], [wire.socket], [], 0.5)[1]:
                continue
            try:
                sent += wire.socket.send(block[sent % len(flood) :])
            except ConnectionError:
                break
        eventually(victim.connections, lambda found: not found)

    assert victim.peak() < before + TOLERANCE
