from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret.core.scale import MOST, Load, desired, within

LOADS = st.builds(
    Load,
    queued=st.integers(0, 10_000_000),
    running=st.integers(0, 100_000),
    mean_run=st.none() | st.floats(0, 1e6),
    slots=st.integers(1, 10_000),
)
WAITS = st.floats(1e-6, 1e6)


@pytest.mark.parametrize(
    ("load", "wanted"),
    [
        (Load(), 0),
        (Load(queued=1, mean_run=0.001), 1),
        (Load(queued=60, mean_run=5.0), 10),
        (Load(queued=60, running=3, mean_run=5.0), 13),
        (Load(queued=60, running=3, mean_run=5.0, slots=4), 4),
        (Load(running=4, mean_run=5.0, slots=4), 1),
        (Load(queued=1000), 1),
        (Load(queued=1000, running=8, slots=4), 2),
    ],
)
def test_what_waits_begins_within_the_wait_beside_what_runs(load: Load, wanted: int) -> None:
    assert wanted == desired(load, target_wait=30.0)


@given(LOADS, WAITS)
def test_nothing_to_do_wants_nobody_and_anything_at_least_one(load: Load, wait: float) -> None:
    count = desired(load, target_wait=wait)

    assert (count > 0) == bool(load.queued or load.running)
    assert count <= MOST


@given(LOADS, WAITS)
def test_what_runs_keeps_its_workers(load: Load, wait: float) -> None:
    assert desired(load, target_wait=wait) >= math.ceil(load.running / load.slots)


@given(LOADS, WAITS, st.integers(0, 1000))
def test_more_to_do_never_wants_fewer(load: Load, wait: float, more: int) -> None:
    fuller = Load(queued=load.queued + more, running=load.running + more, mean_run=load.mean_run, slots=load.slots)

    assert desired(load, target_wait=wait) <= desired(fuller, target_wait=wait)


@given(LOADS, WAITS, WAITS)
def test_a_shorter_wait_never_wants_fewer(load: Load, one: float, other: float) -> None:
    assert desired(load, target_wait=min(one, other)) >= desired(load, target_wait=max(one, other))


@given(st.integers(0, 100), st.integers(0, 50), st.integers(0, 50))
def test_bounds_hold(count: int, least: int, more: int) -> None:
    assert least <= within(count, least=least, most=least + more) <= least + more
