from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from leveret.core import events as log
from leveret.core import lifecycle
from leveret.core.events import Canceled, Event, Failed, Logs, Output, Queued, Reset, Started, Succeeded, Why
from leveret.core.prediction import NULL, Means, Prediction, Status
from leveret.errors import IllegalTransition
from tests.core.strategies import events, reports, submissions

FRESH = Prediction(id="p1", model="local/m", input=Raw(b"{}"), created_at=1.0)


def attempted(prediction: Prediction, event: Event) -> Prediction:
    """The record after the event, or unchanged where the lifecycle refuses it."""
    try:
        return lifecycle.apply(prediction, event)
    except IllegalTransition:
        return prediction


@given(submissions, st.lists(events, max_size=30))
def test_no_sequence_of_events_leaves_a_terminal_state(submitted: Prediction, history: list[Event]) -> None:
    prediction = submitted
    for event in history:
        following = attempted(prediction, event)
        if prediction.status.terminal:
            assert following == prediction
        prediction = following


@given(submissions, st.lists(events, max_size=30))
def test_the_attempt_never_goes_back(submitted: Prediction, history: list[Event]) -> None:
    prediction = submitted
    for event in history:
        following = attempted(prediction, event)
        assert following.attempt >= prediction.attempt
        prediction = following


@given(submissions, st.lists(events, max_size=30))
def test_folding_the_accepted_events_gives_the_record(submitted: Prediction, history: list[Event]) -> None:
    prediction = submitted
    accepted: list[Event] = []
    for event in history:
        try:
            prediction = lifecycle.apply(prediction, event)
        except IllegalTransition:
            continue
        accepted.append(log.decode(log.encode(event)))

    assert prediction == lifecycle.fold(submitted, accepted)


@given(st.lists(st.one_of(reports, events), max_size=30))
def test_folding_at_once_is_applying_one_by_one(tail: list[Event]) -> None:
    history = [Started(1.0, 1, "w"), *tail]

    def one_by_one() -> Prediction:
        return reduce(lifecycle.apply, history, FRESH)

    try:
        expected = one_by_one()
    except IllegalTransition:
        with pytest.raises(IllegalTransition):
            lifecycle.fold(FRESH, history)
    else:
        assert expected == lifecycle.fold(FRESH, history)


@given(submissions, st.lists(events, max_size=30))
def test_a_backend_that_compares_and_sets_agrees_with_apply(submitted: Prediction, history: list[Event]) -> None:
    prediction = submitted
    for event in history:
        demanded = lifecycle.change(event)
        fits = demanded.attempt in (None, prediction.attempt) and not (
            isinstance(event, Started) and event.attempt <= prediction.attempt
        )
        if prediction.status in demanded.allowed and fits and not isinstance(event, Output | Logs):
            assert replace(prediction, **demanded.fields) == lifecycle.apply(prediction, event)
        prediction = attempted(prediction, event)


def test_a_run_that_succeeds() -> None:
    history: list[Event] = [Queued(1.0), Started(2.0, 1, "w"), Succeeded(3.0, 1, output=Raw(b"7"))]

    record = lifecycle.fold(FRESH, history)

    assert (Status.SUCCEEDED, Raw(b"7"), 2.0, 3.0) == (
        record.status,
        record.output,
        record.started_at,
        record.completed_at,
    )


def test_streamed_chunks_become_one_array() -> None:
    history: list[Event] = [
        Started(2.0, 1, "w"),
        Output(2.1, 1, [Raw(b'"a"'), Raw(b'"b"')]),
        Output(2.2, 1, []),
        Output(2.3, 1, [Raw(b'"c"')]),
        Succeeded(3.0, 1),
    ]

    assert Raw(b'["a","b","c"]') == lifecycle.fold(FRESH, history).output


def test_an_empty_stream_gives_an_empty_array() -> None:
    assert Raw(b"[]") == lifecycle.fold(FRESH, [Started(2.0, 1, "w"), Output(2.1, 1, [])]).output


def test_chunks_may_follow_an_empty_batch() -> None:
    history: list[Event] = [Started(2.0, 1, "w"), Output(2.1, 1, []), Output(2.2, 1, [Raw(b"1")])]

    assert Raw(b"[1]") == lifecycle.fold(FRESH, history).output


def test_a_reset_clears_the_output_and_keeps_the_logs() -> None:
    history: list[Event] = [
        Started(2.0, 1, "w"),
        Output(2.1, 1, [Raw(b"1")]),
        Logs(2.2, 1, "hm\n"),
        Reset(2.3, 1, "lost", charged=1),
    ]

    record = lifecycle.fold(FRESH, history)

    assert (Status.STARTING, NULL, "hm\n", None) == (record.status, record.output, record.logs, record.started_at)


@pytest.mark.parametrize(
    "late",
    [
        Succeeded(9.0, 1, output=Raw(b"1")),
        Failed(9.0, "x", attempt=1),
        Output(9.0, 1, []),
        Reset(9.0, 1, "x", charged=1),
    ],
)
def test_what_an_earlier_attempt_says_is_refused(late: Event) -> None:
    record = lifecycle.fold(FRESH, [Started(2.0, 1, "w"), Reset(3.0, 1, "lost", charged=1), Started(4.0, 2, "v")])

    with pytest.raises(IllegalTransition):
        lifecycle.apply(record, late)


def test_a_queued_prediction_can_be_canceled_and_then_never_starts() -> None:
    record = lifecycle.apply(FRESH, Canceled(2.0))

    assert record.status is Status.CANCELED
    with pytest.raises(IllegalTransition, match="canceled"):
        lifecycle.apply(record, Started(3.0, 1, "w"))


def test_what_has_begun_cannot_be_canceled_as_what_has_not_but_its_own_run_may_say_so() -> None:
    record = lifecycle.apply(FRESH, Started(2.0, 1, "w"))

    with pytest.raises(IllegalTransition):
        lifecycle.apply(record, Canceled(3.0, stopped=Means.NOT_BEGUN))
    ended = lifecycle.apply(record, Canceled(3.0, 1, stopped=Means.NOT_BEGUN))
    assert (Status.CANCELED, Means.NOT_BEGUN) == (ended.status, ended.stopped)


def test_a_reset_says_how_many_runs_are_charged() -> None:
    history: list[Event] = [
        Started(2.0, 1, "w"),
        Reset(3.0, 1, "it crashed", charged=1),
        Started(4.0, 2, "w"),
        Reset(5.0, 2, "handed back", charged=1),
    ]

    record = lifecycle.fold(FRESH, history)

    assert (2, 1) == (record.attempt, record.charged)


def test_a_crash_makes_its_worker_the_suspect_and_another_reset_leaves_it_so() -> None:
    history: list[Event] = [
        Started(2.0, 1, "w"),
        Reset(3.0, 1, "it crashed", charged=1, suspect="w"),
        Started(4.0, 2, "v"),
        Reset(5.0, 2, "handed back", charged=1),
    ]

    assert lifecycle.fold(FRESH, history).suspect == "w"


def test_only_what_waits_can_be_undeliverable() -> None:
    undeliverable = Failed(3.0, "it came back too often", dead=Why.UNDELIVERABLE)

    assert lifecycle.apply(FRESH, undeliverable).status is Status.FAILED
    with pytest.raises(IllegalTransition):
        lifecycle.apply(lifecycle.apply(FRESH, Started(2.0, 1, "w1")), undeliverable)
