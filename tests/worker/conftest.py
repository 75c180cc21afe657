"""The embedded family for the worker's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.worker.arrange import Family, opened


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Family]:
    async with opened(tmp_path) as family:
        yield family
