from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from leveret.core import deadlines, lifecycle, wire
from leveret.core.events import Event, Failed, Reset, Started, Succeeded
from leveret.core.prediction import Means, Prediction, Status
from tests.core.strategies import submissions, times

fresh = submissions.map(lambda submitted: replace(submitted, attempt=0, charged=0))
RUN: list[Event] = [Started(1.0, 1, "w"), Reset(2.0, 1, "it crashed", charged=1), Started(3.0, 2, "w")]

waiting = fresh
begun = fresh.map(lambda submitted: lifecycle.fold(submitted, RUN[:1]))
waiting_again = fresh.map(lambda submitted: lifecycle.fold(submitted, RUN[:2]))
predictions = waiting | begun | waiting_again


@given(predictions, times)
def test_what_has_no_deadline_is_never_overdue(prediction: Prediction, at: float) -> None:
    boundless = replace(prediction, start_by=None, deadline=None)

    assert None is deadlines.due(boundless)
    assert None is deadlines.overdue(boundless, at)


@given(predictions, times)
def test_it_is_overdue_exactly_from_when_it_is_due(prediction: Prediction, at: float) -> None:
    due = deadlines.due(prediction)

    assert (due is not None and due <= at) is (deadlines.overdue(prediction, at) is not None)


@given(waiting)
def test_what_has_never_run_is_due_by_the_earlier_deadline(prediction: Prediction) -> None:
    given_times = [at for at in (prediction.start_by, prediction.deadline) if at is not None]

    assert min(given_times, default=None) == deadlines.due(prediction)


@given(begun | waiting_again)
def test_a_run_that_has_begun_has_met_the_first_deadline_for_good(prediction: Prediction) -> None:
    assert prediction.deadline == deadlines.due(prediction)


@given(predictions, times)
def test_how_it_ends_can_follow_and_says_which_deadline_has_passed(prediction: Prediction, at: float) -> None:
    ending = deadlines.overdue(prediction, at)
    assume(ending is not None)
    assert ending is not None

    ended = lifecycle.apply(prediction, ending)

    expected = {
        (Status.STARTING, 0): ("deadline passed before it started", Means.NOT_BEGUN),
        (Status.PROCESSING, 1): ("deadline passed while it ran", None),
        (Status.STARTING, 1): ("deadline passed before it could run again", Means.NOT_BEGUN),
    }
    assert (Status.CANCELED, *expected[prediction.status, prediction.attempt]) == (
        ended.status,
        ended.error,
        ended.stopped,
    )
    assert at == ended.completed_at


@given(begun, times)
def test_what_has_ended_is_not_overdue(prediction: Prediction, at: float) -> None:
    for ending in (Succeeded(2.0, 1), Failed(2.0, "no", 1)):
        assert None is deadlines.overdue(lifecycle.apply(prediction, ending), at)


@given(fresh, times)
def test_a_message_that_comes_back_is_overdue_as_its_record_is(submitted: Prediction, at: float) -> None:
    record = lifecycle.fold(submitted, RUN[:2])

    assert deadlines.overdue(record, at) == deadlines.overdue(wire.decode(wire.encode(record)), at)


@given(times, st.lists(st.none() | st.floats(0, 1e6), max_size=3))
def test_of_several_timeouts_the_earliest_counts(created_at: float, timeouts: list[float | None]) -> None:
    limits = [created_at + timeout for timeout in timeouts if timeout is not None]

    assert min(limits, default=None) == deadlines.earliest(created_at, *timeouts)


def test_what_was_stopped_before_it_began_says_so() -> None:
    assert "deadline passed before it started" == deadlines.error(Means.NOT_BEGUN, runs=0)
    assert "deadline passed before it could run again" == deadlines.error(Means.NOT_BEGUN, runs=2)
    assert {"deadline passed while it ran"} == {
        deadlines.error(how, runs=1) for how in (Means.INTERRUPTED, Means.TERMINATED, Means.KILLED, None)
    }
