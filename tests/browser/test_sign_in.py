"""The dashboard of a gateway that asks for keys, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visit import Visit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def visit(browser: Browser, keyed: tuple[str, dict[str, str]], pictures: Path) -> Iterator[Visit]:
    visit = Visit(browser, keyed[0], pictures)
    yield visit
    visit.end()


def paste(visit: Visit, key: str) -> None:
    visit.page.get_by_label("API key", exact=True).fill(key)
    visit.button("Continue").click()


def test_a_key_is_asked_for_and_stays_in_its_tab(visit: Visit, keyed: tuple[str, dict[str, str]]) -> None:
    visit.open().heading("Paste an API key")
    expect(visit.page.get_by_label("API key", exact=True)).to_be_focused()
    visit.picture("sign-in")

    paste(visit, keyed[1]["admin"])

    visit.heading("Overview")
    expect(visit.page.get_by_title("the account of the key")).to_have_text("ada")
    visit.page.reload()
    visit.heading("Overview")
    assert "{}" == visit.page.evaluate(
        "JSON.stringify(Object.fromEntries(Object.entries(localStorage).filter(([name]) => name.includes('key'))))"
    )
    assert not [url for url in visit.asked if "lv_" in url]
    another = visit.page.context.browser
    assert another is not None
    fresh = another.new_page()
    fresh.goto(visit.address)
    expect(fresh.get_by_role("heading", name="Paste an API key")).to_be_visible()
    fresh.close()


def test_a_key_that_is_wrong_is_refused_with_the_reason(visit: Visit) -> None:
    visit.open()

    paste(visit, "lv_wrong")

    expect(visit.page.get_by_role("alert")).to_have_text("This API key is not known, or was revoked.")
    expect(visit.page.get_by_label("API key", exact=True)).to_have_attribute("aria-invalid", "true")
    visit.picture("wrong-key")
    assert [] == visit.violations()


def test_a_key_is_forgotten_when_that_is_wanted(visit: Visit, keyed: tuple[str, dict[str, str]]) -> None:
    visit.open()
    paste(visit, keyed[1]["admin"])

    visit.button("Forget key").click()

    visit.heading("Paste an API key")
    visit.page.reload()
    visit.heading("Paste an API key")


def test_what_a_key_may_not_see_says_which_scope_it_lacks(visit: Visit, keyed: tuple[str, dict[str, str]]) -> None:
    visit.open("/workers")
    paste(visit, keyed[1]["read"])

    expect(visit.page.get_by_role("alert")).to_contain_text("This needs a key with the scope admin")
    visit.open("/dead")
    expect(visit.page.get_by_role("alert")).to_contain_text("This needs a key with the scope admin")
    visit.open("/")
    expect(visit.page.get_by_role("alert")).to_contain_text("This needs a key with the scope admin")
    expect(visit.page.get_by_role("region", name="Latest predictions")).to_be_visible()
    visit.picture("scope")
    visit.open("/models/local/shout")
    visit.field("text").fill("hop")
    visit.button("Run").click()
    expect(visit.output()).to_contain_text("This needs a key with the scope predict")


def test_a_model_is_run_and_followed_with_a_key(visit: Visit, keyed: tuple[str, dict[str, str]]) -> None:
    visit.open("/models/local/shout")
    paste(visit, keyed[1]["predict"])
    visit.field("text").fill("hop")

    visit.button("Run").click()

    expect(visit.output()).to_contain_text("HOP please")


def test_a_key_that_is_revoked_meanwhile_has_to_be_pasted_anew(visit: Visit, keyed: tuple[str, dict[str, str]]) -> None:
    address, known = keyed
    boss = {"Authorization": f"Bearer {known['admin']}"}
    made = httpx2.post(f"{address}/admin/v1/keys", json={"scopes": ["read"], "account": "ada"}, headers=boss).json()
    visit.open("/predictions")
    paste(visit, made["key"])
    visit.heading("Predictions")

    httpx2.delete(f"{address}/admin/v1/keys/{made['id']}", headers=boss)

    visit.heading("Paste an API key")
    expect(visit.page.get_by_role("alert")).to_contain_text("was revoked")
    paste(visit, known["read"])
    visit.heading("Predictions")
