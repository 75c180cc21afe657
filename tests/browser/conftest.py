"""A real browser, that of the system, and where its pictures go."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

PICTURES = Path(__file__).parent.parent.parent / "build" / "screenshots"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one file, as its event loop may not meet those of other tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """The folder of the screenshots, for people to look at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES
