"""Limits: what comes back into a bucket, and when."""

from __future__ import annotations

import pytest

from leveret.core.limits import Allowance, refilled

FOUR = Allowance(rate=2.0, burst=4)


@pytest.mark.parametrize(
    ("tokens", "passed", "expected"),
    [(0.0, 0.5, 1.0), (3.0, 100.0, 4.0), (1.0, 0.0, 1.0), (1.0, -0.5, 1.0)],
)
def test_tokens_come_back_with_the_time_up_to_what_the_bucket_holds(
    tokens: float, passed: float, expected: float
) -> None:
    assert expected == refilled(tokens, passed=passed, allowance=FOUR)


def test_who_waits_by_a_clock_that_was_set_back_does_not_wait_until_it_is_as_late_again() -> None:
    assert 4.0 == refilled(0.0, passed=-3600.0, allowance=FOUR)
