"""What the tests of the commands stand on: a server with some models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.system.program import QUICK, Program, free_port

MODELS: Final = Path(__file__).with_name("models.py")
NAMES: Final = ("add", "tell", "twice", "numbers", "slow", "stubborn", "fail", "copies")
ENVIRONMENT: Final = QUICK | {"LEVERET_WORKER_CANCEL_GRACE": "60"}


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the server is."""
    port, targets = free_port(), [f"{MODELS}:{name}" for name in NAMES]
    folder = tmp_path_factory.mktemp("served")
    with Program("serve", *targets, "--port", str(port), folder=folder, environment=ENVIRONMENT) as program:
        program.wait_ready()
        yield f"http://127.0.0.1:{port}"
