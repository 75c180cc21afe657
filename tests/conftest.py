"""What every test shares."""

from __future__ import annotations

import pytest

from tests.system import rabbit

BESIDE = 8
"""Files that compute for each one that waits."""

pytest.register_assert_rewrite("leveret.testing.conformance")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have one file that mostly waits for every few that compute, and none of the former at the end, all by itself."""
    waiting = {item.path for item in items if item.get_closest_marker("long")}
    computing = list(dict.fromkeys(item.path for item in items if item.path not in waiting))
    places = {path: number * BESIDE for number, path in enumerate(sorted(waiting))}
    places |= dict(zip(computing, range(len(computing)), strict=True))
    items.sort(key=lambda item: (places[item.path], item.path))


def pytest_unconfigure() -> None:
    """End what the tests of this process have shared."""
    rabbit.stop()
