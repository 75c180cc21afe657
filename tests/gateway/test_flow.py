"""What is learned of how fast predictions move."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from leveret.core.line import Line
from leveret.gateway.flow import Flow

IDLE = Line(entered=(100, 0, 0, 0), left=(100, 0, 0, 0), ended=100, seconds=200.0)
"""A hundred runs have taken two seconds each."""


def waiting(line: Line, *entered: int) -> Line:
    return replace(line, entered=tuple(a + b for a, b in zip(line.entered, entered, strict=True)))


def begun(line: Line, count: int) -> Line:
    return replace(line, left=(line.left[0] + count, *line.left[1:]))


def ended(line: Line, count: int, *, seconds: float) -> Line:
    return replace(line, ended=line.ended + count, seconds=line.seconds + seconds)


def test_nothing_is_said_before_a_run_has_ended() -> None:
    flow = Flow(Line(entered=(3, 0, 0, 0)), at=0.0)

    assert flow.until_ended(3, slots=4) is None
    assert flow.until_done(1.0, None, slots=4) is None


def test_while_a_slot_is_free_it_takes_as_long_as_a_run() -> None:
    flow = Flow(begun(waiting(IDLE, 3, 0, 0, 0), 3), at=0.0)

    assert pytest.approx(2.0) == flow.until_ended(0, slots=4)


def test_behind_others_it_takes_as_long_as_the_slots_need_for_them() -> None:
    flow = Flow(begun(waiting(IDLE, 44, 0, 0, 0), 4), at=0.0)

    assert pytest.approx((4.5 + 40) / 2) == flow.until_ended(40, slots=4)


def test_what_is_seen_while_some_wait_counts_more_than_the_slots() -> None:
    line = begun(waiting(IDLE, 10_000, 0, 0, 0), 4)
    flow = Flow(line, at=0.0)
    for second in range(1, 61):  # ten end in each second, five times as many as the slots promise
        line = ended(begun(line, 10), 10, seconds=20.0)
        flow.learn(line, at=float(second), slots=4)

    assert pytest.approx(1004.5 / 10, rel=0.2) == flow.until_ended(1000, slots=4)


def test_an_idle_time_does_not_say_what_can_be_done() -> None:
    flow = Flow(IDLE, at=0.0)
    for second in range(1, 61):
        flow.learn(IDLE, at=float(second), slots=4)

    assert pytest.approx((0.5 + 10) / 2) == flow.until_ended(10, slots=4)


def test_runs_that_take_longer_now_are_learned() -> None:
    flow, line = Flow(IDLE, at=0.0), IDLE
    for minute in range(1, 20):
        line = ended(begun(waiting(line, 5, 0, 0, 0), 5), 5, seconds=50.0)
        flow.learn(line, at=60.0 * minute, slots=4)

    assert pytest.approx(10.0, rel=0.1) == flow.until_ended(0, slots=4)


def test_the_mean_of_long_ago_is_kept_while_there_is_no_other() -> None:
    flow = Flow(IDLE, at=0.0)
    flow.learn(IDLE, at=1e7, slots=4)

    assert pytest.approx(2.0) == flow.until_ended(0, slots=4)


def test_a_ticket_tells_how_many_are_before_it() -> None:
    flow = Flow(begun(waiting(IDLE, 44, 0, 0, 0), 4), at=0.0)

    assert 39 == flow.position(0, 144, at=0.0, slots=4)
    assert 38 == flow.position(0, 143, at=0.0, slots=4)
    assert 0 == flow.position(0, 90, at=0.0, slots=4)
    assert 40 == flow.position(0, 0, at=0.0, slots=4)


def test_those_that_have_left_since_are_reckoned_with() -> None:
    line = begun(waiting(IDLE, 1000, 0, 0, 0), 4)
    flow = Flow(line, at=0.0)
    for second in range(1, 21):
        line = ended(begun(line, 10), 10, seconds=20.0)
        flow.learn(line, at=float(second), slots=4)

    assert pytest.approx(1000 - 1 - 204 - 5, abs=0.5) == flow.position(0, 1100, at=20.5, slots=4)


def test_while_slots_are_free_nobody_who_came_meanwhile_still_waits() -> None:
    flow = Flow(IDLE, at=0.0)

    assert 0 == flow.position(0, 104, at=0.0, slots=4)
    assert 1 == flow.position(0, 106, at=0.0, slots=4)
    assert 0 == flow.position(0, 106, at=0.5, slots=4)  # two end in a second


def test_a_run_ends_by_what_it_says_itself_or_as_the_others_do() -> None:
    flow = Flow(IDLE, at=0.0)

    assert pytest.approx(30.0) == flow.until_done(10.0, 0.25, slots=4)
    assert pytest.approx(0.5) == flow.until_done(1.5, None, slots=4)
    assert pytest.approx(1.0) == flow.until_done(60.0, None, slots=4)


def test_a_line_that_was_emptied_does_not_follow() -> None:
    flow = Flow(IDLE, at=0.0)

    assert flow.leads_to(waiting(IDLE, 1, 0, 0, 0))
    assert not flow.leads_to(Line(entered=(1, 0, 0, 0)))


def test_tickets_tell_of_what_has_come_since() -> None:
    flow = Flow(IDLE, at=0.0)

    assert 5 == flow.position(0, 110, at=0.0, slots=4)
    assert 6 == flow.position(3, 1, at=0.0, slots=4)  # all that are known to wait in the first lane


def test_what_waits_in_the_hand_of_a_worker_does_not_make_a_run_longer() -> None:
    line = begun(waiting(IDLE, 10_000, 0, 0, 0), 10_000)
    flow = Flow(line, at=0.0)
    for second in range(1, 61):
        line = ended(line, 100, seconds=100 * 5.0)
        flow.learn(line, at=float(second), slots=4)

    rest = flow.until_done(0.0, None, slots=4)
    assert rest is not None
    assert rest < 0.1
