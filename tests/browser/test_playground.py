"""The playground of the dashboard in a real browser: forms made of schemas, files, and outputs as they are made."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser.visit import Visit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_the_form_has_a_fitting_control_for_each_input(visit: Visit) -> None:
    visit.open("/models/local/shout").heading("local/shout")

    expect(visit.field("text")).to_have_attribute("aria-required", "true")
    expect(visit.field("times")).to_have_attribute("type", "number")
    expect(visit.field("times")).to_have_value("1")
    expect(visit.page.get_by_role("combobox", name="tone")).to_have_value("0")
    expect(visit.page.get_by_role("switch", name="polite")).to_be_checked()
    expect(visit.page.get_by_text("how often it is said · 1 to 20")).to_be_visible()
    visit.picture("model")


def test_a_model_is_run_with_what_stands_in_the_form(visit: Visit) -> None:
    visit.open("/models/local/shout")
    visit.field("text").fill("hop")
    visit.field("times").fill("2")
    visit.field("tone").select_option("loud")
    visit.page.get_by_role("switch", name="polite").uncheck()
    visit.field("tags").fill("ears")
    visit.button("Add").click()
    visit.page.get_by_label("item 2", exact=True).fill("tail")

    visit.button("Run").click()

    expect(visit.output()).to_contain_text("HOP HOP (loud, 2 tags)")
    expect(visit.output()).to_contain_text("succeeded")
    expect(visit.row("hop")).to_contain_text("succeeded")


def test_a_problem_is_shown_at_its_field_and_goes_when_it_is_mended(visit: Visit) -> None:
    visit.open("/models/local/shout")
    visit.field("times").fill("99")

    visit.button("Run").click()

    expect(visit.page.locator("#input-text-error")).to_have_text("it is required")
    expect(visit.page.locator("#input-times-error")).to_contain_text("20")
    expect(visit.field("text")).to_have_attribute("aria-invalid", "true")
    expect(visit.field("text")).to_be_focused()
    visit.picture("invalid")
    visit.field("text").fill("hop")
    visit.field("times").fill("1")
    visit.button("Run").click()
    expect(visit.output()).to_contain_text("HOP please")
    expect(visit.page.locator("#input-times-error")).to_be_hidden()


def test_what_is_no_json_is_not_sent(visit: Visit) -> None:
    visit.open("/models/acme/paint")
    visit.field("prompt").fill("a hare")
    visit.field("style").fill("{colour")

    visit.button("Run").click()

    expect(visit.page.locator("#input-style-error")).to_contain_text("this is no JSON")
    assert not [url for url in visit.asked if url.endswith("/predictions")]


def test_the_output_streams_while_the_model_runs(visit: Visit, tmp_path: Path) -> None:
    visit.open("/models/local/tell")
    visit.field("prompt").fill("Once")
    visit.field("until").fill(str(tmp_path / "end"))

    visit.button("Run").click()

    expect(visit.output().locator(".output")).to_have_text("Once there was a hare")
    expect(visit.output()).to_contain_text("processing")
    expect(visit.button("Cancel")).to_be_visible()
    visit.picture("streaming")
    (tmp_path / "end").touch()
    expect(visit.output().locator(".output")).to_have_text("Once there was a hare who slept.")
    expect(visit.output()).to_contain_text("succeeded")
    expect(visit.page.get_by_label("Logs")).to_contain_text("the story begins")


def test_pictures_are_shown(visit: Visit) -> None:
    visit.open("/models/acme/paint")
    visit.field("prompt").fill("a hare at dawn")
    visit.field("count").fill("2")
    visit.field("style").fill('{"colour": "grey"}')

    visit.button("Run").click()

    for name in ("picture-0.png", "picture-1.png"):
        picture = visit.page.get_by_role("img", name=name)
        expect(picture).to_be_visible()
        expect(picture).to_have_js_property("naturalWidth", 240)
    visit.picture("pictures")


def test_sounds_are_played(visit: Visit) -> None:
    visit.open("/models/acme/hum")

    visit.button("Run").click()

    sound = visit.page.get_by_label("hum.wav", exact=True)
    expect(sound).to_be_visible()
    visit.page.wait_for_function("document.querySelector('audio').duration === 0.5")


def test_a_file_is_uploaded(visit: Visit, tmp_path: Path, api: httpx2.Client) -> None:
    (tmp_path / "hare.txt").write_text("a hare")
    visit.open("/models/local/measure")
    visit.field("image").set_input_files(tmp_path / "hare.txt")
    expect(visit.page.get_by_text("hare.txt")).to_be_visible()
    visit.picture("file")

    visit.button("Run").click()

    expect(visit.output()).to_contain_text('"bytes": 6')
    expect(visit.output()).to_contain_text("text/plain")
    assert "hare.txt" == api.get("/v1/files").json()["results"][0]["name"]


def test_a_file_may_be_the_url_of_one(visit: Visit) -> None:
    visit.open("/models/local/measure")
    visit.page.get_by_label("the URL of a file").fill("data:text/plain,hare")

    visit.button("Run").click()

    expect(visit.output()).to_contain_text('"bytes": 4')


def test_a_run_is_canceled_from_the_form(visit: Visit) -> None:
    visit.open("/models/local/ponder")
    visit.field("seconds").fill("60")
    visit.button("Run").click()
    expect(visit.page.get_by_role("progressbar")).to_be_visible()

    visit.button("Cancel").click()

    expect(visit.output()).to_contain_text("canceled")
    expect(visit.button("Cancel")).to_be_hidden()
    expect(visit.button("Run")).to_be_enabled()


def test_what_fails_says_why(visit: Visit) -> None:
    visit.open("/models/local/fail")

    visit.button("Run").click()

    expect(visit.output()).to_contain_text("ValueError: no hare was found")
    expect(visit.page.get_by_label("Logs")).to_contain_text("about to fail")


def test_the_rates_of_one_model_stand_beside_its_form(visit: Visit, api: httpx2.Client) -> None:
    api.post("/v1/models/local/shout/predictions", json={"input": {"text": "x"}}, headers={"Prefer": "wait"})
    visit.open("/models/local/shout")

    visit.page.get_by_role("tab", name="Rates").click()

    expect(visit.page.get_by_role("img", name=re.compile("^Throughput per second: submitted"))).to_be_visible()
    visit.picture("rates")


def test_the_schema_and_the_commands_stand_beside_the_form(visit: Visit) -> None:
    visit.open("/models/local/shout")

    visit.page.get_by_role("tab", name="Schema").click()
    expect(visit.page.get_by_role("tabpanel")).to_contain_text("list of text")
    visit.picture("schema")
    visit.page.get_by_role("tab", name="API").click()

    expect(visit.page.get_by_role("tabpanel")).to_contain_text(f"curl -s {visit.address}/v1/models/local/shout/predict")
    visit.picture("api")


def test_a_model_that_is_not_there_is_said_so(visit: Visit) -> None:
    visit.open("/models/local/none")

    expect(visit.page.get_by_role("alert")).to_contain_text("no model 'local/none' is served here")
