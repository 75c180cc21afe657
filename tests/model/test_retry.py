"""Retry: what a model says of the run that it asks for."""

from __future__ import annotations

import pytest

from leveret import Retry


def test_it_says_why_and_when() -> None:
    retry = Retry("quota", after=30)

    assert ("quota", 30.0, "quota") == (retry.reason, retry.after, str(retry))


def test_it_need_not_say_anything() -> None:
    assert ("", None, "") == (Retry().reason, Retry().after, str(Retry()))


def test_a_delay_that_is_no_number_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="soon"):
        Retry(after="soon")  # type: ignore[arg-type]  # wrong on purpose
