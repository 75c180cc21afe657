from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leveret.autoscale.steady import Steady


def test_more_is_had_at_once_and_less_after_a_while() -> None:
    steady = Steady(patience=10)

    assert [1, 5, 5, 5, 2, 1, 1] == [
        steady.of(wanted, at=at) for at, wanted in [(0, 1), (1, 5), (2, 2), (11, 1), (12, 1), (12.5, 0), (15, 1)]
    ]


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 9)), min_size=1), st.floats(0, 50))
def test_it_is_the_most_that_was_wanted_within_its_patience(steps: list[tuple[float, int]], patience: float) -> None:
    steady, at = Steady(patience=patience), 0.0
    seen: list[tuple[float, int]] = []

    for pause, wanted in steps:
        at += pause
        seen.append((at, wanted))

        assert max(one for when, one in seen if when >= at - patience) == steady.of(wanted, at=at)
