"""The frames: whatever pieces they arrive in, what was sent comes out, or it is refused."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.core.outcome import Crashed, HandedBack, Overran, Raised, Returned, Streamed
from leveret.core.ports import Running
from leveret.core.prediction import Means
from leveret.errors import Undecodable
from leveret.worker.frames import (
    LIMIT,
    Begun,
    Check,
    Checked,
    Chunks,
    Ended,
    Frame,
    Item,
    Loaded,
    NotReady,
    Progressed,
    Ready,
    Run,
    Splitter,
    Stop,
    TimeUp,
    Wrote,
    encode,
)

READY = Ready(
    model="local/shout",
    version="0" * 64,
    input_schema=b"{}",
    output_schema=b"{}",
    description="",
    batch=1,
    batch_window=0.01,
    streams=False,
    total_timeout=60.0,
)

FRAMES: list[Frame] = [
    Run([Item("a", 1, b'{"n": 1}'), Item("b", 2, b"")]),
    Run([]),
    Stop(),
    READY,
    Loaded(READY),
    NotReady(error="E", traceback="T", usage=True),
    TimeUp(7, 60.0),
    Check(),
    Checked("sick", "T"),
    Begun(7, [Running("a", 1)]),
    Chunks("a", 1, [b'"x"', b"1"]),
    Wrote("a", 1, "text é\n"),
    Progressed("a", 1, 0.5, "half"),
    Ended("a", 1, Returned(b"null"), 0.1),
    Ended("a", 1, Streamed(), 0.1),
    Ended("a", 1, Raised("E", "T"), 0.1),
    Ended("a", 1, Crashed("killed"), 0.1),
    Ended("a", 1, HandedBack("stopping"), 0.1),
    Ended("a", 1, Overran(60.0, Means.KILLED), 0.1),
]


@given(st.lists(st.sampled_from(FRAMES), max_size=6), st.lists(st.integers(0, 200), max_size=20))
def test_frames_come_out_as_they_were_sent_in_whatever_pieces_they_arrive(frames: list[Frame], cuts: list[int]) -> None:
    stream = b"".join([encode(frame) for frame in frames])
    places = sorted({0, len(stream), *[cut for cut in cuts if cut < len(stream)]})
    splitter = Splitter()

    received = [frame for start, end in pairwise(places) for frame in splitter.feed(stream[start:end])]

    assert received == frames
    assert not splitter.partial


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(frame).__name__)
def test_a_frame_is_partial_until_its_last_byte(frame: Frame) -> None:
    splitter = Splitter()
    data = encode(frame)

    for number in range(len(data) - 1):
        assert splitter.feed(data[number : number + 1]) == []
        assert splitter.partial

    assert splitter.feed(data[-1:]) == [frame]
    assert not splitter.partial


def test_a_length_that_no_frame_has_is_refused_before_anything_is_gathered() -> None:
    with pytest.raises(Undecodable, match=f"a length of {LIMIT + 1} bytes"):
        Splitter().feed((LIMIT + 1).to_bytes(4))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"hello",
        msgspec.msgpack.encode({"type": "jump"}),
        msgspec.msgpack.encode({"type": "run"}),
        b"\x80",
    ],
)
def test_a_body_that_is_no_frame_is_refused(body: bytes) -> None:
    with pytest.raises(Undecodable, match="this is not a Leveret frame"):
        Splitter().feed(len(body).to_bytes(4) + body)
