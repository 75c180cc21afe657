from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from leveret.core.events import Canceled, Failed, Reset, Succeeded, Why
from leveret.core.outcome import (
    Crashed,
    HandedBack,
    Outcome,
    Overran,
    Raised,
    RetryWanted,
    Returned,
    Stopped,
    Streamed,
)
from leveret.core.prediction import Means
from leveret.core.retry import RUNGS, Again, Finish, Verdict, back_off, decide, pause, rung


def decided(
    outcome: Outcome,
    *,
    attempt: int = 1,
    charged: int = 0,
    most: int = 3,
    worker: str = "w1",
    suspect: str = "",
    jitter: float = 1.0,
) -> Verdict:
    """The verdict on a run that ended at 2.0."""
    return decide(
        outcome,
        at=2.0,
        attempt=attempt,
        charged=charged,
        max_attempts=most,
        worker=worker,
        suspect=suspect,
        jitter=jitter,
    )


def test_what_the_model_returned_is_the_output() -> None:
    assert Finish(Succeeded(2.0, 1, output=Raw(b"7"))) == decided(Returned(b"7"))


def test_a_stream_succeeds_with_what_it_has_streamed() -> None:
    assert Finish(Succeeded(2.0, 1)) == decided(Streamed())


def test_an_exception_of_the_model_fails_at_once_and_is_no_dead_letter() -> None:
    assert Finish(Failed(2.0, "ValueError: no", attempt=1)) == decided(Raised("ValueError: no", "Traceback"))


def test_what_is_handed_back_goes_again_at_once_and_is_not_charged() -> None:
    verdict = decided(HandedBack("the worker stops"), attempt=9, charged=4, most=1)

    assert Again(Reset(2.0, 9, "the worker stops", charged=4)) == verdict


@pytest.mark.parametrize("how", Means)
def test_what_was_stopped_is_canceled(how: Means) -> None:
    assert Finish(Canceled(2.0, 2, stopped=how)) == decided(Stopped(how), attempt=2)


# Crashes


def test_a_crash_is_tried_again_and_in_the_end_fails_with_its_cause() -> None:
    crash = Crashed("killed by signal 9")

    assert Again(Reset(2.0, 1, "killed by signal 9", charged=1, suspect="w1", delay=1.0)) == decided(crash, most=2)
    error = "killed by signal 9 (attempt 2 of 2)"
    assert Finish(Failed(2.0, error, attempt=2, dead=Why.EXHAUSTED)) == decided(
        crash, attempt=2, charged=1, most=2, suspect="w1"
    )


def test_runs_that_were_not_charged_do_not_count_against_the_limit() -> None:
    assert Again(Reset(2.0, 9, "killed", charged=2, suspect="w1", delay=5.0)) == decided(
        Crashed("killed"), attempt=9, charged=1
    )


def test_a_second_crash_on_another_worker_is_poison_whatever_the_limit() -> None:
    verdict = decided(Crashed("killed"), attempt=2, charged=1, most=9, suspect="w2")

    error = "killed, on a second worker: it is not run again"
    assert Finish(Failed(2.0, error, attempt=2, dead=Why.POISON)) == verdict


def test_a_second_crash_on_the_same_worker_is_not() -> None:
    verdict = decided(Crashed("killed"), attempt=2, charged=1, suspect="w1")

    assert Again(Reset(2.0, 2, "killed", charged=2, suspect="w1", delay=5.0)) == verdict


@pytest.mark.parametrize("outcome", [HandedBack("stopped"), RetryWanted("later", None, "")])
def test_what_is_no_crash_neither_makes_a_suspect_nor_clears_one(outcome: Outcome) -> None:
    verdict = decided(outcome, suspect="w2")

    assert isinstance(verdict, Again)
    assert verdict.ending.suspect is UNSET


# What the model asks for


def test_a_model_that_asks_for_another_run_gets_it() -> None:
    verdict = decided(RetryWanted("the quota is used up", 30.5, "Traceback"))

    assert Again(Reset(2.0, 1, "the quota is used up", charged=1, delay=30.5)) == verdict


def test_a_model_that_asks_for_more_runs_than_it_may_have_fails() -> None:
    verdict = decided(RetryWanted("the quota is used up", 30.0, ""), attempt=4, charged=2)

    error = "the quota is used up (attempt 3 of 3)"
    assert Finish(Failed(2.0, error, attempt=4, dead=Why.EXHAUSTED)) == verdict


@given(st.none() | st.floats(), st.floats(0, 1), st.integers(0, 20))
def test_whatever_a_model_asks_for_it_waits_between_a_second_and_a_day(
    after: float | None, jitter: float, charged: int
) -> None:
    verdict = decided(RetryWanted("later", after, ""), charged=charged, most=99, jitter=jitter)

    assert isinstance(verdict, Again)
    assert 1 <= verdict.ending.delay <= 24 * 3600
    if after is not None and 1 <= after <= 24 * 3600:
        assert after == verdict.ending.delay


@given(st.lists(st.sampled_from([Crashed("killed"), RetryWanted("later", 1.0, "")]), min_size=1), st.integers(1, 6))
def test_no_prediction_has_more_charged_runs_than_it_may_have(outcomes: list[Outcome], most: int) -> None:
    charged = runs = 0
    for outcome in outcomes:
        runs += 1
        verdict = decided(outcome, attempt=runs, charged=charged, most=most)
        if isinstance(verdict, Finish):
            break
        charged = verdict.ending.charged

    assert runs == min(len(outcomes), most)


# Delays


@pytest.mark.parametrize(
    ("how", "stopped"),
    [
        (Means.INTERRUPTED, ""),
        (Means.TERMINATED, "; its process had to be terminated"),
        (Means.KILLED, "; its process had to be killed"),
    ],
)
def test_what_has_overrun_fails_at_once_and_says_what_it_took_to_stop_it(how: Means, stopped: str) -> None:
    verdict = decided(Overran(60.0, how))

    assert Finish(Failed(2.0, f"the run took longer than its timeout of 60 s{stopped}", attempt=1)) == verdict


@pytest.mark.parametrize(("delay", "step"), [(0.2, 1), (1, 1), (4.9, 1), (5, 5), (900, 900), (100_000, 3600)])
def test_a_delay_takes_the_longest_rung_that_is_not_longer(delay: float, step: int) -> None:
    assert step == rung(delay)


@given(st.integers(1, 100), st.floats(0, 1))
def test_every_back_off_is_one_of_the_first_rungs(charged: int, jitter: float) -> None:
    assert back_off(charged, jitter=jitter) in RUNGS[:charged]


@given(st.integers(1, 100))
def test_the_jitter_reaches_the_first_and_the_last_of_them(charged: int) -> None:
    assert RUNGS[0] == back_off(charged, jitter=0.0)
    assert RUNGS[min(charged, len(RUNGS)) - 1] == back_off(charged, jitter=1.0)


def test_pauses_double_up_to_a_limit() -> None:
    bounds = [pause(failures, first=0.1, longest=0.5, jitter=1.0) for failures in (0, 1, 2, 3, 10_000)]

    assert [0.1, 0.2, 0.4, 0.5, 0.5] == bounds


@given(st.integers(min_value=0, max_value=100), st.floats(0, 1))
def test_the_jitter_takes_any_part_of_a_pause(failures: int, jitter: float) -> None:
    whole = pause(failures, first=0.1, longest=30.0, jitter=1.0)

    assert jitter * whole == pause(failures, first=0.1, longest=30.0, jitter=jitter)
