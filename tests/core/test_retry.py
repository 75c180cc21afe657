from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from leveret.core.events import Canceled, Failed, Reset, Succeeded
from leveret.core.outcome import Crashed, HandedBack, Overran, Raised, Returned, Stopped, Streamed
from leveret.core.prediction import Means
from leveret.core.retry import RUNGS, Again, Finish, back_off, decide, pause, rung


def test_what_the_model_returned_is_the_output() -> None:
    verdict = decide(Returned(b"7"), at=2.0, attempt=1, charged=0, max_attempts=3)

    assert Finish(Succeeded(2.0, 1, output=Raw(b"7"))) == verdict


def test_a_stream_succeeds_with_what_it_has_streamed() -> None:
    assert Finish(Succeeded(2.0, 1)) == decide(Streamed(), at=2.0, attempt=1, charged=0, max_attempts=3)


def test_an_exception_of_the_model_fails_at_once() -> None:
    verdict = decide(Raised("ValueError: no", "Traceback"), at=2.0, attempt=1, charged=0, max_attempts=3)

    assert Finish(Failed(2.0, "ValueError: no", attempt=1)) == verdict


def test_a_crash_is_tried_again_and_in_the_end_fails_with_its_cause() -> None:
    crash = Crashed("killed by signal 9")

    assert Again(Reset(2.0, 1, "killed by signal 9", charged=1), 1.0) == decide(
        crash, at=2.0, attempt=1, charged=0, max_attempts=2
    )
    assert Finish(Failed(2.0, "killed by signal 9 (attempt 2 of 2)", attempt=2)) == decide(
        crash, at=2.0, attempt=2, charged=1, max_attempts=2
    )


def test_runs_that_were_not_charged_do_not_count_against_the_limit() -> None:
    verdict = decide(Crashed("killed"), at=2.0, attempt=9, charged=1, max_attempts=3)

    assert Again(Reset(2.0, 9, "killed", charged=2), 5.0) == verdict


def test_what_is_handed_back_goes_again_at_once_and_is_not_charged() -> None:
    verdict = decide(HandedBack("the worker stops"), at=2.0, attempt=9, charged=4, max_attempts=1)

    assert Again(Reset(2.0, 9, "the worker stops", charged=4), 0.0) == verdict


@pytest.mark.parametrize("how", Means)
def test_what_was_stopped_is_canceled(how: Means) -> None:
    verdict = decide(Stopped(how), at=2.0, attempt=2, charged=0, max_attempts=3)

    assert Finish(Canceled(2.0, 2, stopped=how)) == verdict


@pytest.mark.parametrize(
    ("how", "stopped"),
    [
        (Means.INTERRUPTED, ""),
        (Means.TERMINATED, "; its process had to be terminated"),
        (Means.KILLED, "; its process had to be killed"),
    ],
)
def test_what_has_overrun_fails_at_once_and_says_what_it_took_to_stop_it(how: Means, stopped: str) -> None:
    verdict = decide(Overran(60.0, how), at=2.0, attempt=1, charged=0, max_attempts=3)

    assert Finish(Failed(2.0, f"the run took longer than its timeout of 60 s{stopped}", attempt=1)) == verdict


@pytest.mark.parametrize(("delay", "step"), [(0.2, 1), (1, 1), (4.9, 1), (5, 5), (900, 900), (100_000, 3600)])
def test_a_delay_takes_the_longest_rung_that_is_not_longer(delay: float, step: int) -> None:
    assert step == rung(delay)


@given(st.integers(min_value=1, max_value=100))
def test_every_back_off_is_a_rung(attempt: int) -> None:
    assert back_off(attempt) in RUNGS


def test_pauses_double_up_to_a_limit() -> None:
    bounds = [pause(failures, first=0.1, longest=0.5, jitter=1.0) for failures in (0, 1, 2, 3, 10_000)]

    assert [0.1, 0.2, 0.4, 0.5, 0.5] == bounds


@given(st.integers(min_value=0, max_value=100), st.floats(0, 1))
def test_the_jitter_takes_any_part_of_a_pause(failures: int, jitter: float) -> None:
    whole = pause(failures, first=0.1, longest=30.0, jitter=1.0)

    assert jitter * whole == pause(failures, first=0.1, longest=30.0, jitter=jitter)
