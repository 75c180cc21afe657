"""The stream in the form that Replicate's clients read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, json

from leveret.core.events import (
    Canceled,
    Entry,
    Event,
    Failed,
    Logs,
    Output,
    Progress,
    Queued,
    Reset,
    Started,
    Succeeded,
)
from leveret.gateway.outputs import Outputs
from tests.gateway.served import PATIENCE, Gateway

Block = tuple[str, str, str]
"""The kind, the id and the data of an event."""


def blocks(stream: bytes) -> list[Block]:
    found = []
    for block in stream.decode().split("\n\n")[:-1]:
        kind, place, *data = block.split("\n")
        text = "\n".join(line.removeprefix("data: ") for line in data)
        found.append((kind.removeprefix("event: "), place.removeprefix("id: "), text))
    return found


def streamed(*events: Event, last_event_id: str = "") -> list[Block]:
    outputs = Outputs(last_event_id=last_event_id)
    entries = [Entry(number, event) for number, event in enumerate(events, 1) if number > outputs.after]
    return blocks(b"".join([outputs.of(entry) for entry in entries]))


def chunks(*texts: str) -> Output:
    return Output(3.0, 1, [Raw(json.encode(text)) for text in texts])


BEGUN = (Queued(1.0), Started(2.0, 1, "w"))


def test_chunks_are_events_of_their_own_and_nothing_unknown_is_sent() -> None:
    assert streamed(*BEGUN, chunks("a", " b"), Progress(3.0, 1, 0.5), Logs(3.0, 1, "x"), Succeeded(4.0, 1)) == [
        ("output", "3:1", "a"),
        ("output", "3:2", " b"),
        ("logs", "5:1", "x"),
        ("done", "6:1", "{}"),
    ]


def test_an_output_that_was_not_streamed_comes_whole() -> None:
    assert streamed(*BEGUN, Succeeded(4.0, 1, Raw(b'"hello"')))[0] == ("output", "3:1", "hello")
    assert streamed(*BEGUN, Succeeded(4.0, 1, Raw(b'{"a": 1}')))[0] == ("output", "3:1", '{"a": 1}')
    assert [block[2] for block in streamed(*BEGUN, Succeeded(4.0, 1, Raw(b'["a", 1]')))] == ["a", "1", "{}"]


def test_a_failure_and_a_cancel_end_the_stream_with_their_reason() -> None:
    assert streamed(*BEGUN, Failed(4.0, "no luck", 1)) == [
        ("error", "3:1", '{"detail":"no luck"}'),
        ("done", "3:2", '{"reason":"error"}'),
    ]
    assert streamed(*BEGUN, Canceled(4.0, 1)) == [("done", "3:1", '{"reason":"canceled"}')]


def test_a_run_that_comes_to_nothing_ends_the_stream_only_if_it_has_put_out_something() -> None:
    again: tuple[Event, ...] = (
        Reset(3.0, 1, "lost", 1),
        Started(4.0, 2, "w"),
        Output(5.0, 2, [Raw(b'"a"')]),
        Succeeded(6.0, 2),
    )
    assert [block[0] for block in streamed(*BEGUN, *again)] == ["output", "done"]
    outputs = Outputs()
    begun: tuple[Event, ...] = (*BEGUN, chunks("a"))
    for number, event in enumerate(begun, 1):
        outputs.of(Entry(number, event))
    assert not outputs.done
    assert [block[0] for block in blocks(outputs.of(Entry(4, again[0])))] == ["error", "done"]
    assert outputs.done


@given(st.integers(1, 6))
def test_a_client_that_comes_back_gets_exactly_the_rest(seen: int) -> None:
    events = (*BEGUN, chunks("a", "b"), chunks("c", "d"), Logs(3.0, 1, "x"), Succeeded(4.0, 1))
    whole = streamed(*events)
    assert streamed(*events, last_event_id=whole[seen - 1][1]) == whole[seen:]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_no_kind_of_line_break_is_left_within_a_line(end: str) -> None:
    ((_, _, data), *_) = streamed(*BEGUN, chunks(f" a{end}b"))
    assert data == " a\nb"


async def test_over_http(gateway: Gateway) -> None:
    created = await gateway.create("hello")
    run = await gateway.worker.start(created)
    await gateway.worker.report(run, Output(time.time(), run.attempt, [Raw(b'"hel"'), Raw(b'"lo"')]))
    assert await gateway.worker.end(run, Succeeded(time.time(), run.attempt))

    answer = await gateway.client.get(f"/v1/streams/{created}", timeout=PATIENCE)

    assert answer.headers["content-type"] == "text/event-stream"
    assert [block[2] for block in blocks(answer.content.split(b"\n\n", 2)[2])] == ["hel", "lo", "{}"]
    assert (await gateway.client.get("/v1/streams/unknown")).status_code == 404
