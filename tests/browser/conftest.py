"""A real browser, that of the system, and where its pictures go."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.visit import Enter, Visit
from tests.system.program import QUICK, Program, free_port

MODELS = Path(__file__).with_name("models.py")
NAMES = ("shout", "tell", "paint", "hum", "measure", "ponder", "fail", "crash")
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


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where an open gateway is that serves the models of these tests."""
    folder, port = tmp_path_factory.mktemp("dashboard"), free_port()
    targets = [f"{MODELS}:{name}" for name in NAMES]
    with Program("serve", *targets, "--port", str(port), folder=folder) as server:
        server.wait_ready()
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def api(served: str) -> Iterator[httpx2.Client]:
    """The API beside the dashboard, to arrange what it shows."""
    with httpx2.Client(base_url=served, timeout=60) as client:
        yield client


@pytest.fixture
def enter(browser: Browser, served: str, pictures: Path) -> Enter:
    """Makes a visit in these colours and on a screen of this size."""
    return partial(Visit, browser, served, pictures)


@pytest.fixture
def visit(browser: Browser, served: str, pictures: Path) -> Iterator[Visit]:
    """A visit to the dashboard, which ends well: nothing was asked of others, and no script went wrong."""
    visit = Visit(browser, served, pictures)
    yield visit
    visit.end()


@pytest.fixture(scope="session")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Where a gateway is that asks for keys, and one key for each scope."""
    folder, port = tmp_path_factory.mktemp("keyed"), free_port()
    with Program("serve", f"{MODELS}:shout", "--port", str(port), folder=folder, environment=QUICK) as server:
        server.wait_ready()
        address = f"http://127.0.0.1:{port}"
        boss = _key(address, "admin", boss="none yet")
        made = {scope: _key(address, scope, boss=boss) for scope in ("read", "predict", "admin")}
        _wait_closed(address)
        yield address, made


def _key(address: str, scope: str, *, boss: str) -> str:
    wanted = {"scopes": [scope], "account": "ada"}
    answer = httpx2.post(f"{address}/admin/v1/keys", json=wanted, headers={"Authorization": f"Bearer {boss}"})
    return str(answer.json()["key"])


def _wait_closed(address: str) -> None:
    """Until the gateway has found out that there are keys: until then it takes everybody for everybody."""
    for _ in range(600):
        if httpx2.get(f"{address}/v1/models").status_code == 401:
            return
        time.sleep(0.05)
    raise AssertionError("it never asked for a key")
