"""The Prefer header."""

from __future__ import annotations

import pytest

from leveret.gateway.prefer import DEFAULT, Wait, wait


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["wait"], Wait(DEFAULT, "wait")),
        (["wait=10"], Wait(10, "wait=10")),
        (["Wait = 10"], Wait(10, "wait=10")),
        (['wait="10"'], Wait(10, "wait=10")),
        (["wait=1.5"], Wait(1.5, "wait=1.5")),
        (["wait=10; strict"], Wait(10, "wait=10")),
        (["respond-async, wait=10"], Wait(10, "wait=10")),
        (["respond-async", "return=minimal", "wait=10"], Wait(10, "wait=10")),
        (["wait=1, wait=2", "wait=3"], Wait(1, "wait=1")),
    ],
)
def test_the_first_wait_counts(lines: list[str], expected: Wait) -> None:
    assert expected == wait(lines, longest=60)


@pytest.mark.parametrize(
    "line",
    ["", ",", "respond-async", "wait=0", "wait=-1", "wait=soon", "wait=1e3", "wait=٣", "waiting=3", "=3", "await", ";"],
)
def test_what_makes_no_sense_is_ignored(line: str) -> None:
    assert wait([line], longest=60) is None


@pytest.mark.parametrize("asked", ["61", "600", "9" * 5000])
def test_a_wait_is_cut_to_the_longest(asked: str) -> None:
    assert Wait(60, "wait=60") == wait([f"wait={asked}"], longest=60)


def test_a_bare_wait_is_cut_too() -> None:
    assert Wait(5, "wait") == wait(["wait"], longest=5)


def test_without_the_header_nobody_waits() -> None:
    assert wait([], longest=60) is None
