"""The decoders of messages and frames: whatever arrives is understood, or refused in one way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pika.spec import BasicProperties

from leveret.backends.rabbitmq.reading import read
from leveret.backends.rabbitmq.rejected import death
from leveret.core import control, webhooks, wire
from leveret.core.control import Cancel
from leveret.core.prediction import HookEvent
from leveret.core.webhooks import Again, Fresh, Notice
from leveret.errors import Undecodable
from leveret.worker.frames import LIMIT, Splitter, encode
from tests.core.strategies import submissions
from tests.hostile.mutations import mutated
from tests.worker.test_frames import FRAMES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

many = settings(max_examples=200, deadline=None)

NOTICE = Notice(prediction_id="a", event=HookEvent.COMPLETED, number=3, webhook_id="msg_a_3")
DEEP = b"[" * 100_000
FLOODS = [b"\x91" * 100_000, b"\x81\xa1a" * 100_000, b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xd9\xff"]
"""Deep arrays, deep maps, and lengths that nothing follows."""

texts = st.one_of(st.none(), st.text(max_size=300), st.binary(max_size=300))


@many
@given(mutated(submissions.map(wire.encode)))
@example(b'{"id":"a","model":"local/m","input":{},"created_at":1,"nobody":' + DEEP + b"}")
@example(b'{"id":"a","model":"local/m","input":{},"created_at":1,"webhook":' + DEEP)
@example(b'{"id":"a","model":"local/m","input":{},"created_at":1,"attempt":' + b"9" * 5000 + b"}")
@example(b'{"id":"a","model":"local/m","input":{},"created_at":1,"account":"\\ud800"}')
@example(b'{"id":"a","model":"local/m","input":{},"created_at":1e400}')
def test_a_message_is_a_prediction_or_refused(body: bytes) -> None:
    try:
        prediction = wire.decode(body)
    except Undecodable:
        return
    assert prediction == wire.decode(wire.encode(prediction))


@many
@given(submissions.map(wire.encode), texts, texts)
def test_whatever_properties_a_message_has_it_is_read_or_refused(
    body: bytes, reply_to: str | bytes | None, correlation_id: str | bytes | None
) -> None:
    properties = BasicProperties()
    properties.reply_to, properties.correlation_id = reply_to, correlation_id  # type: ignore[assignment]  # as they come
    try:
        prediction = read(body, properties)
    except Undecodable:
        return
    assert prediction == wire.decode(wire.encode(prediction))


@many
@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), st.text(max_size=5), st.just(datetime(2026, 1, 1, tzinfo=UTC))),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["queue", "reason", "time", "x"]), inner, max_size=4),
        ),
    )
)
def test_whatever_the_header_of_a_dead_message_says_is_no_trouble(said: object) -> None:
    properties = BasicProperties()
    properties.headers = {"x-death": said}  # type: ignore[dict-item]  # as it comes

    assert isinstance(death(properties).queue, str)


@many
@given(
    st.sampled_from([webhooks.decode, control.decode]),
    mutated(
        st.sampled_from(
            [webhooks.encode(Fresh("a")), webhooks.encode(Again(NOTICE, due=1.0)), control.encode(Cancel("a"))]
        )
    ),
)
@example(webhooks.decode, b'{"type":"again","notice":' + DEEP)
@example(control.decode, b'{"type":"cancel","prediction_id":"\xff"}')
def test_an_errand_or_a_control_message_is_understood_or_refused(
    decode: Callable[[bytes], object], body: bytes
) -> None:
    try:
        assert decode(body) is not None
    except Undecodable:
        return


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(4) + body


@many
@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=200).map(framed),
        mutated(st.sampled_from(FRAMES).map(encode)),
        mutated(st.sampled_from(FRAMES).map(lambda frame: encode(frame)[4:])).map(framed),
    ),
    st.integers(1, 300),
)
def test_frames_are_understood_or_refused_in_whatever_pieces_they_come(data: bytes, size: int) -> None:
    splitter = Splitter()
    try:
        for at in range(0, len(data), size):
            splitter.feed(data[at : at + size])
    except Undecodable:
        return
    assert splitter.partial in (True, False)


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: repr(flood[:5]))
@pytest.mark.parametrize("before", [b"", b"\x82\xa4type\xa4stop\xa1x", b"\x82\xa4type\xa3run\xa5items"])
def test_a_frame_that_would_take_too_much_is_refused(before: bytes, flood: bytes) -> None:
    with pytest.raises(Undecodable):
        Splitter().feed(framed(before + flood))


@pytest.mark.parametrize("text", [b"\xa1\xff", b"\xa3\xed\xa0\x80"])
def test_a_frame_with_what_is_no_text_is_refused(text: bytes) -> None:
    body = b"\x84\xa4type\xa5wrote\xa2id\xa1a\xa7attempt\x01\xa4text" + text

    with pytest.raises(Undecodable):
        Splitter().feed(framed(body))


def test_a_length_takes_no_memory_before_its_bytes_have_come() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[1])

    splitters = [Splitter() for _ in range(20)]
    for splitter in splitters:
        splitter.feed(LIMIT.to_bytes(4))

    assert int(Path("/proc/self/statm").read_text().split()[1]) - pages < 10_000
