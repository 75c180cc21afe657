"""What a line's counts say."""

from __future__ import annotations

import pytest

from leveret.core.line import Line, ahead


def test_a_line_says_how_many_wait_and_run() -> None:
    line = Line(entered=(9, 5, 0, 1), left=(7, 5, 0, 0), quit=2, ended=6)

    assert (2, 0, 0, 1) == line.waiting
    assert 4 == line.running


def test_counts_that_do_not_fit_say_that_there_is_nothing() -> None:
    line = Line(entered=(1, 0, 0, 0), left=(2, 0, 0, 0), ended=3)

    assert ((0, 0, 0, 0), 0) == (line.waiting, line.running)


@pytest.mark.parametrize(
    ("waiting", "lane", "rank", "expected"),
    [
        ((0, 0, 0, 0), 0, 0, 0),
        ((5, 0, 0, 0), 0, 3, 3),  # its own lane only
        ((1, 9, 0, 0), 0, 0, 0.5),  # the next lane gives one while this one gives two
        ((100, 0, 0, 1), 3, 0, 8),  # and the first eight before the last has its turn
        ((3, 0, 0, 1), 3, 0, 3),  # or all it has
        ((100, 100, 100, 50), 3, 9, 9 + 80 + 40 + 20),
    ],
)
def test_others_come_before_by_the_weights_of_their_lanes(
    waiting: tuple[int, ...], lane: int, rank: float, expected: float
) -> None:
    assert expected == ahead(waiting, lane, rank)
