"""The reference page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.program import Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MODEL = """
from leveret import model

@model
def shout(text: str, times: int = 1) -> str:
    return text.upper() * times
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    (folder / "shout.py").write_text(MODEL)
    with Program("serve", "shout.py", "--port", str(port), folder=folder) as server:
        server.wait_ready()
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_reference_shows_every_model_and_asks_nobody_else(
    browser: Browser, address: str, pictures: Path, scheme: str
) -> None:
    asked: list[str] = []
    said: list[str] = []
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))

    page.goto(f"{address}/docs")
    expect(page.get_by_text("/v1/models/local/shout/predictions")).to_be_visible()
    page.screenshot(path=pictures / f"reference-{scheme}.png", full_page=True)

    assert "Leveret API" == page.title()
    assert {urlsplit(address).netloc} == {urlsplit(url).netloc for url in asked if not url.startswith("data:")}
    assert [] == said
    page.close()


def test_a_model_is_tried_out_from_the_page(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/docs")
    _open(page, "/v1/models/local/shout/predictions")
    block = page.locator(".opblock.is-open")
    block.locator(".body-param__text").fill('{"input": {"text": "hop"}}')

    block.get_by_role("button", name="Execute").click()

    expect(block.locator(".live-responses-table .response .response-col_status").first).to_contain_text("201")
    page.close()


def _open(page: Page, path: str) -> None:
    page.locator(".opblock-post").filter(has_text=path).locator(".opblock-summary-control").click()
