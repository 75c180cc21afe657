"""Traces are taken up as the W3C says, and carried on in messages."""

from __future__ import annotations

import json

import pytest
from msgspec import Raw

from leveret.core import wire
from leveret.core.prediction import Prediction, Trace
from leveret.core.tracing import INERT, UNTRACED, headers, taken_up

WHOLE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = f"00-{WHOLE}-{PARENT}-01"
ASKED = Prediction(id="p1", model="local/m", input=Raw(b"{}"), created_at=1.6e9)


def test_the_headers_of_a_client_are_taken_up() -> None:
    trace = taken_up(f" {GIVEN} ", "vendor=1,other=2")

    assert Trace(GIVEN, "vendor=1,other=2") == trace
    assert trace is not None
    assert WHOLE == trace.id
    assert {"traceparent": GIVEN, "tracestate": "vendor=1,other=2"} == headers(trace)


def test_a_later_version_of_the_header_is_taken_for_this_one() -> None:
    assert Trace(GIVEN) == taken_up(f"01-{WHOLE}-{PARENT}-01-more")


@pytest.mark.parametrize(
    "given",
    [
        "",
        "hare",
        f"ff-{WHOLE}-{PARENT}-01",
        f"00-{WHOLE}-{PARENT}-01-more",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{WHOLE}-{'0' * 16}-01",
        f"00-{WHOLE.upper()}-{PARENT}-01",
        f"{GIVEN}\r\nX-Evil: 1",
    ],
)
def test_a_malformed_header_counts_as_absent(given: str) -> None:
    assert taken_up(given, "vendor=1") is None


@pytest.mark.parametrize("state", ["a=1\r\nX-Evil: 1", "a=é", "x" * 513])
def test_a_malformed_state_is_left_out(state: str) -> None:
    assert Trace(GIVEN) == taken_up(GIVEN, state)


def test_a_message_whose_trace_is_none_runs_without() -> None:
    body = json.loads(wire.encode(ASKED)) | {"trace": {"traceparent": "hare\r\nX-Evil: 1"}}

    assert ASKED == wire.decode(json.dumps(body).encode())


def test_who_does_not_trace_passes_on_what_it_was_given() -> None:
    trace = Trace(GIVEN, "vendor=1")

    with UNTRACED.request("POST", "/", trace) as span:
        assert trace == span.trace

    assert INERT == UNTRACED.request("POST", "/", None)
