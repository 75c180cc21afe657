"""The context: what a model says of its run."""

from __future__ import annotations

import pytest

from leveret import Context


class Notes:
    """Takes down what is reported."""

    def __init__(self) -> None:
        self.taken: list[tuple[str | int | float, ...]] = []

    def wrote(self, prediction_id: str, attempt: int, text: str) -> None:
        self.taken.append((prediction_id, attempt, text))

    def progressed(self, prediction_id: str, attempt: int, fraction: float, message: str) -> None:
        self.taken.append((prediction_id, attempt, fraction, message))


def test_what_is_said_carries_the_run() -> None:
    notes = Notes()
    context = Context(id="p1", attempt=2, reporter=notes)

    context.progress(0.5, "half")
    context.log("so far, so good")

    assert notes.taken == [("p1", 2, 0.5, "half"), ("p1", 2, "so far, so good\n")]
    assert (context.id, context.attempt) == ("p1", 2)


@pytest.mark.parametrize(
    ("given", "expected"), [(-1, 0.0), (1.0000001, 1.0), (float("nan"), 0.0), (float("inf"), 1.0), (1, 1.0)]
)
def test_progress_stays_between_0_and_1(given: float, expected: float) -> None:
    notes = Notes()

    Context(reporter=notes).progress(given)

    assert notes.taken == [("", 1, expected, "")]


def test_in_a_test_of_a_model_a_context_needs_nothing() -> None:
    context = Context()

    context.progress(0.5)
    context.log("nobody hears it")

    assert context.attempt == 1
