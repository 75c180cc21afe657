from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from leveret.core import lifecycle, wire
from leveret.core.events import Canceled, Event, Reset, Started
from leveret.core.prediction import Means, Prediction, Priority
from leveret.errors import Undecodable
from tests.core.strategies import submissions


@given(submissions)
def test_a_message_gives_back_what_was_submitted(submitted: Prediction) -> None:
    assert submitted == wire.decode(wire.encode(submitted))


@given(submissions)
def test_what_has_happened_does_not_travel_but_for_the_attempts(submitted: Prediction) -> None:
    number = submitted.attempt + 1
    history: list[Event] = [
        Started(1.0, number, "w"),
        Reset(2.0, number, "it crashed", charged=2),
        Started(3.0, number + 1, "w"),
        Canceled(4.0, number + 1, stopped=Means.KILLED),
    ]
    record = lifecycle.fold(submitted, history)

    arrived = wire.decode(wire.encode(record))

    assert wire.submitted(record) == arrived
    assert (number + 1, 2, None) == (arrived.attempt, arrived.charged, arrived.stopped)


def test_what_is_usual_takes_no_room() -> None:
    usual = Prediction(id="a", model="local/m", input=Raw(b"{}"), created_at=1.0)

    assert b'{"id":"a","model":"local/m","input":{},"created_at":1.0}' == wire.encode(usual)
    assert b'"priority":"high"' in wire.encode(replace(usual, priority=Priority.HIGH))


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused_cleanly(body: bytes) -> None:
    with pytest.raises(Undecodable):
        wire.decode(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"id":"a/b","model":"local/m","input":{},"created_at":1}', "`id`"),
        (b'{"id":"a","model":"m","input":{},"created_at":1}', "`model`"),
        (b'{"id":"a","model":"local/m","input":{},"created_at":1,"lane":4}', "`lane`"),
        (b'{"id":"a","model":"local/m","input":{},"created_at":1,"priority":"urgent"}', r"\$.priority"),
        (b'{"id":"a","model":"local/m","input":{},"created_at":1,"attempt":-1}', "`attempt`"),
        (b'{"id":"a","model":"local/m","input":{},"created_at":1,"attempt":1000001}', "`attempt`"),
        (b'{"id":"a","model":"local/m","input":{},"created_at":1,"charged":-1}', "`charged`"),
        (b'{"id":"a","model":"local/m","input":{},"created_at":-1}', "`created_at`"),
        (b'{"id":"a","model":"local/m","input":{},"created_at":1e300}', "`created_at`"),
        (b'{"id":"a","model":"local/m","input":{},"created_at":1,"start_by":-1}', "`start_by`"),
        (b'{"id":"a","model":"local/m","input":{},"created_at":1,"deadline":1e12}', "`deadline`"),
        (b'{"id":"a","model":"local/m","input":{},"created_at":1,"reply_to":{"queue":""}}', "`reply_to`"),
        (b'{"id":"a","model":"local/m","input":{},"created_at":1,"reply_to":{"queue":"%s"}}' % (b"q" * 256), "255"),
        (
            b'{"id":"a","model":"local/m","input":{},"created_at":1,"reply_to":{"queue":"q","correlation_id":"%s"}}'
            % ("é" * 128).encode(),
            "255",
        ),
        (b'{"id":"a","model":"local/m","input":{"text":"\xff"},"created_at":1}', "utf-8"),
        (b'{"id":"a","model":"local/m","created_at":1}', "input"),
        (b'{"id":"a","model":"local/m","input":' + b"[" * 100_000, "input is too|recursion|truncated"),
    ],
)
def test_a_message_that_cannot_be_run_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        wire.decode(body)
