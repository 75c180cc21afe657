"""What the tests of the official clients stand on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.system.program import Program, free_port

MODELS: Final = Path(__file__).with_name("models.py")


@pytest.fixture(scope="session")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server is that takes one prediction, and then none for a long time."""
    port, folder = free_port(), tmp_path_factory.mktemp("limited")
    line = ("serve", f"{MODELS}:greet", "--port", str(port), "--limits-rate", "0.001")
    with Program(*line, folder=folder) as program:
        program.wait_ready()
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server with the clients' models is."""
    port = free_port()
    targets = [f"{MODELS}:{name}" for name in ("greet", "tell", "gated", "silent", "fail", "turn", "film")]
    folder = tmp_path_factory.mktemp("served")
    receivers = ("--outbound-allow-http", "--outbound-allow", "127.0.0.1/32")
    with Program("serve", *targets, "--port", str(port), *receivers, folder=folder) as program:
        program.wait_ready()
        yield f"http://127.0.0.1:{port}"
