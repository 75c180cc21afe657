"""The dashboard for everybody: by keyboard, for screen readers, on any screen, light and dark, and cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser.test_dashboard import died, run
from tests.browser.visit import NARROW, WIDE, Enter, Scheme, Visit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PAGES = {
    "overview": ("/", "Overview"),
    "models": ("/models", "Models"),
    "model": ("/models/acme/paint", "acme/paint"),
    "upload": ("/models/local/measure", "local/measure"),
    "predictions": ("/predictions", "Predictions"),
    "workers": ("/workers", "Workers"),
    "letters": ("/dead", "Dead letters"),
}


@pytest.fixture(scope="module")
def ended(served: str) -> dict[str, str]:
    """Predictions that have ended in several ways."""
    with httpx2.Client(base_url=served, timeout=60) as api:
        given = {"letter": died(api), "failed": run(api, "local/fail"), "told": run(api, "local/tell", prompt="Once")}
        return {**given, "painted": run(api, "acme/paint", prompt="a hare", count=2)}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_page_keeps_anybody_out(enter: Enter, ended: dict[str, str], scheme: Scheme, size: tuple[int, int]) -> None:
    visit = enter(scheme=scheme, size=size)
    name = f"{scheme}-{'wide' if size == WIDE else 'narrow'}"
    more = {kind: (f"/predictions/{one}", one) for kind, one in ended.items() if kind != "letter"}
    found: dict[str, list[str]] = {}

    for page, (path, title) in {**PAGES, **more, "letter": (f"/dead/{ended['letter']}", ended["letter"])}.items():
        visit.open(path).heading(title)
        expect(visit.page.locator(".bone")).to_have_count(0)
        visit.picture(f"{page}-{name}")
        found[page] = visit.violations()

    assert {} == {page: wrong for page, wrong in found.items() if wrong}
    visit.end()


def test_a_form_with_mistakes_and_a_dialog_keep_nobody_out(visit: Visit, ended: dict[str, str]) -> None:
    visit.open("/models/local/shout")
    visit.button("Run").click()
    expect(visit.page.locator("#input-text-error")).to_be_visible()
    form = visit.violations()
    visit.open(f"/predictions/{ended['told']}")
    visit.button("Delete").click()
    expect(visit.page.get_by_role("dialog")).to_be_visible()

    assert ([], []) == (form, visit.violations())


@pytest.mark.parametrize("size", [(320, 640), NARROW, (800, 900), WIDE], ids=lambda size: str(size[0]))
def test_no_page_is_wider_than_the_screen(enter: Enter, ended: dict[str, str], size: tuple[int, int]) -> None:
    visit = enter(size=size)

    for path, title in [*PAGES.values(), (f"/predictions/{ended['letter']}", ended["letter"])]:
        visit.open(path).heading(title)
        expect(visit.page.locator(".bone")).to_have_count(0)
        assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path

    visit.end()


def test_a_model_is_run_and_its_prediction_opened_by_keyboard_alone(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    visit.open().heading("Overview")
    expect(visit.row("local/shout")).to_be_visible()

    keyboard.press("Tab")
    expect(visit.page.get_by_role("link", name="Skip to the page")).to_be_focused()
    press_until(visit, "Tab", "Models")
    keyboard.press("Enter")
    expect(visit.heading("Models")).to_be_focused()
    press_until(visit, "Tab", "local/shout")
    keyboard.press("Enter")
    expect(visit.heading("local/shout")).to_be_focused()
    press_until(visit, "Tab", "Playground")
    keyboard.press("ArrowRight")
    expect(visit.page.get_by_role("tab", name="Rates")).to_have_attribute("aria-selected", "true")
    keyboard.press("ArrowLeft")
    keyboard.press("Tab")
    expect(visit.field("text")).to_be_focused()
    keyboard.type("keys")
    keyboard.press("Control+Enter")
    expect(visit.output()).to_contain_text("KEYS please")
    press_until(visit, "Tab", "Details")
    keyboard.press("Enter")

    expect(visit.badge()).to_have_text("succeeded")
    press_until(visit, "Tab", "Delete")
    keyboard.press("Enter")
    expect(visit.page.get_by_role("button", name="Keep")).to_be_focused()
    keyboard.press("Escape")
    expect(visit.page.get_by_role("dialog")).to_have_count(0)
    expect(visit.button("Delete")).to_be_visible()


def press_until(visit: Visit, key: str, text: str) -> None:
    """Press the key until what has the focus begins with this text; what has it must be seen."""
    for _ in range(60):
        visit.page.keyboard.press(key)
        here = visit.page.evaluate("document.activeElement.innerText ?? ''")
        if here.startswith(text):
            return
    raise AssertionError(f"{text!r} is not reached by {key}")


def test_a_theme_can_be_chosen_and_is_kept(visit: Visit) -> None:
    visit.open().heading("Overview")
    light = ground(visit)

    visit.button("Dark").click()
    dark = ground(visit)
    visit.page.reload()
    visit.heading("Overview")

    assert light != dark == ground(visit)
    expect(visit.button("Dark")).to_have_attribute("aria-pressed", "true")
    visit.button("As the system").click()
    assert light == ground(visit)


def ground(visit: Visit) -> str:
    return str(visit.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


@pytest.fixture
def lost(visit: Visit) -> Iterator[Visit]:
    """A visit whose network can be cut."""
    yield visit
    visit.page.context.set_offline(False)


def test_a_gateway_that_is_away_is_said_so_and_found_again(lost: Visit) -> None:
    lost.open().heading("Overview")
    expect(lost.row("local/shout")).to_be_visible()

    lost.page.context.set_offline(True)
    expect(lost.page.get_by_role("alert")).to_contain_text("cannot be reached")
    expect(lost.row("local/shout")).to_be_visible()
    lost.page.context.set_offline(False)

    expect(lost.page.get_by_role("alert")).to_have_count(0)


def test_a_stream_that_is_cut_goes_on_where_it_was(lost: Visit, tmp_path: Path) -> None:
    lost.open("/models/local/tell")
    lost.field("prompt").fill("Once")
    lost.field("until").fill(str(tmp_path / "end"))
    lost.button("Run").click()
    expect(lost.output().locator(".output")).to_have_text("Once there was a hare")

    lost.page.context.set_offline(True)
    (tmp_path / "end").touch()
    lost.page.context.set_offline(False)

    expect(lost.output().locator(".output")).to_have_text("Once there was a hare who slept.")
    expect(lost.output()).to_contain_text("succeeded")
