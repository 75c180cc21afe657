from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.core.lanes import COUNT, WEIGHTS, Rota, lane_for
from leveret.core.prediction import Priority


@pytest.mark.parametrize(
    ("outstanding", "lane"), [(0, 0), (1, 0), (2, 1), (7, 1), (8, 2), (31, 2), (32, 3), (100_000, 3)]
)
def test_the_lane_follows_what_the_account_has_outstanding(outstanding: int, lane: int) -> None:
    assert lane == lane_for(outstanding)


@pytest.mark.parametrize(("outstanding", "lane"), [(0, 2), (1, 2), (31, 2), (32, 3), (100_000, 3)])
def test_a_low_priority_never_gets_a_good_lane(outstanding: int, lane: int) -> None:
    assert lane == lane_for(outstanding, priority=Priority.LOW)


@pytest.mark.parametrize("outstanding", range(8))
def test_a_high_priority_gets_the_best_lane_while_little_is_outstanding(outstanding: int) -> None:
    assert 0 == lane_for(outstanding, priority=Priority.HIGH)


@given(st.integers(min_value=8, max_value=100_000), st.floats(0.5, 4))
def test_beyond_its_allowance_a_high_priority_is_a_normal_one(outstanding: int, weight: float) -> None:
    if outstanding / weight >= 8:
        assert lane_for(outstanding, weight) == lane_for(outstanding, weight, priority=Priority.HIGH)


@given(st.integers(min_value=0, max_value=100_000))
def test_a_higher_priority_never_gets_a_worse_lane(outstanding: int) -> None:
    low, normal, high = [lane_for(outstanding, priority=priority) for priority in Priority]

    assert high <= normal <= low < COUNT


def test_a_weight_widens_the_good_lanes() -> None:
    assert (0, 1) == (lane_for(3, weight=2.0), lane_for(4, weight=2.0))


@given(st.integers(min_value=1, max_value=20))
def test_full_lanes_are_served_by_their_weights(rounds: int) -> None:
    rota = Rota()

    picks = Counter(rota.pick(range(COUNT)) for _ in range(rounds * sum(WEIGHTS)))

    assert [weight * rounds for weight in WEIGHTS] == [picks[lane] for lane in range(COUNT)]


@given(st.lists(st.sets(st.integers(0, COUNT - 1), min_size=1), min_size=1, max_size=200))
def test_only_a_lane_that_has_something_is_picked(turns: list[set[int]]) -> None:
    rota = Rota()

    assert all(rota.pick(sorted(ready)) in ready for ready in turns)


@given(st.lists(st.sets(st.integers(0, COUNT - 1)), max_size=60))
def test_no_lane_waits_longer_than_two_rounds(others: list[set[int]]) -> None:
    rota = Rota()

    waited = 0
    for ready in others:
        waited = 0 if rota.pick(sorted(ready | {COUNT - 1})) == COUNT - 1 else waited + 1
        assert waited <= 2 * sum(WEIGHTS)
