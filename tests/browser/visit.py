"""A visit to the dashboard in a real browser: what it asks for and what it complains of is remembered."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal, Protocol, TypeAlias
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

WIDE = (1280, 900)
NARROW = (390, 844)

Scheme: TypeAlias = Literal["light", "dark"]

_AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
_LOOK = "axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] })"

_REFUSED = "Failed to load resource"
"""What the browser says of every answer that is a refusal, of which some are wanted."""


class Visit:
    """One tab."""

    def __init__(
        self,
        browser: Browser,
        address: str,
        pictures: Path,
        *,
        scheme: Scheme = "light",
        size: tuple[int, int] = WIDE,
    ) -> None:
        self.address = address
        self.asked: list[str] = []
        self.said: list[str] = []
        self._pictures = pictures
        self.page: Page = browser.new_page(
            color_scheme=scheme, viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce"
        )
        self.page.set_default_timeout(20_000)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def open(self, path: str = "/") -> Visit:
        """Go to a page of the dashboard."""
        self.page.goto(f"{self.address}/#{path}")
        return self

    def heading(self, name: str) -> Locator:
        """The heading of the page, once it is this one."""
        found = self.page.get_by_role("heading", level=1, name=name)
        expect(found).to_be_visible(timeout=20_000)
        return found

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, name: str) -> Locator:
        """A field of the form of a model."""
        return self.page.get_by_role("form", name="Input").locator(f"#input-{name}")

    def output(self) -> Locator:
        return self.page.get_by_role("region", name="Output")

    def badge(self) -> Locator:
        """The state of the prediction that has this page."""
        return self.page.locator(".above .badge")

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text).first

    def toast(self) -> Locator:
        return self.page.get_by_role("status").last

    def violations(self) -> list[str]:
        """What axe finds that would keep somebody out who hears, or cannot well see, the page."""
        self.page.evaluate(_AXE)
        answer = self.page.evaluate(_LOOK)
        return [f"{one['id']}: {[node['html'][:120] for node in one['nodes'][:3]]}" for one in answer["violations"]]

    def picture(self, name: str) -> None:
        """Keep what is seen now, for people to look at."""
        self.page.screenshot(path=self._pictures / f"dashboard-{name}.png", full_page=True)

    def end(self) -> None:
        """Close it, and see that all went well."""
        self.page.close()
        hosts = {urlsplit(url).netloc for url in self.asked if not url.startswith(("data:", "blob:"))}
        assert hosts <= {urlsplit(self.address).netloc}
        assert [] == self.said

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(_REFUSED):
            self.said.append(message.text)


class Enter(Protocol):
    """Makes visits."""

    def __call__(self, *, scheme: Scheme = "light", size: tuple[int, int] = WIDE) -> Visit: ...
