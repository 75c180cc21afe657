from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.core.lanes import COUNT, WEIGHTS, Rota, lane_for


@pytest.mark.parametrize(
    ("outstanding", "lane"), [(0, 0), (1, 0), (2, 1), (7, 1), (8, 2), (31, 2), (32, 3), (100_000, 3)]
)
def test_the_lane_follows_what_the_account_has_outstanding(outstanding: int, lane: int) -> None:
    assert lane == lane_for(outstanding)


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
