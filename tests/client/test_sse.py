"""Server-sent events, however their bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.client.sse import Decoder, Message

STREAM = (
    "\ufeffretry: 1000\n\n: a comment\n\n"
    "id: 1\nevent: queued\ndata: {}\n\n"
    "id:2\r\nevent:output\r\ndata:one\r\ndata:  two\r\ndata\r\n\r\n"
    "id: 3\revent: logs\rdata: 🐇\u2028é\r\r"
    "id\n\ndata: nameless\nunknown: field\n\n"
    "event: empty\n\n"
    "id: 4\ndata: cut off"
).encode()
MESSAGES = [
    Message("queued", "{}", "1"),
    Message("output", "one\n two\n", "2"),
    Message("logs", "🐇\u2028é", "3"),
    Message("message", "nameless", ""),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_a_stream_may_be_cut_anywhere(places: list[int]) -> None:
    edges = [0, *sorted(places), len(STREAM)]
    decoder = Decoder()

    found = [message for begin, end in pairwise(edges) for message in decoder.feed(STREAM[begin:end])]

    assert MESSAGES == found


def test_a_stream_may_come_byte_by_byte() -> None:
    decoder = Decoder()

    assert MESSAGES == [message for byte in STREAM for message in decoder.feed(bytes([byte]))]


@pytest.mark.parametrize("line", ["id: 5\0", "id: 5\0\nid: 7"])
def test_an_id_with_a_null_is_ignored(line: str) -> None:
    (message,) = Decoder().feed(f"id: 6\n{line}\ndata: x\n\n".encode())

    assert message.id in {"6", "7"}


def test_a_message_is_there_as_soon_as_its_empty_line_is() -> None:
    decoder = Decoder()

    assert [] == decoder.feed(b"data: x\r\n")
    assert [Message("message", "x", "")] == decoder.feed(b"\r\n")
