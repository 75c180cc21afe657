"""What the tests of hostile input stand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.victim import Victim, attacked, unharmed


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """One for all tests: what one does to it, the next ones would notice."""
    with attacked(tmp_path_factory.mktemp("victim")) as victim:
        yield victim


@pytest.fixture
def victim(server: Victim) -> Iterator[Victim]:
    """The server; whatever the test does, it must be unharmed afterwards."""
    with unharmed(server):
        yield server
