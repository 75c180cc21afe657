"""What every test shares."""

from __future__ import annotations

import pytest

from tests.system import rabbit

pytest.register_assert_rewrite("leveret.testing.conformance")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: processes share the files, and none shall be left alone with one at the end."""
    files = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in files)


def pytest_unconfigure() -> None:
    """End what the tests of this process have shared."""
    rabbit.stop()
