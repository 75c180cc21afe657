"""The pages of the dashboard in a real browser: what goes on, what has ended, and what can be done about it."""

from __future__ import annotations

import re
import time

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser.visit import Visit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def run(api: httpx2.Client, model: str, *, wait: bool = True, **given: object) -> str:
    """The id of a prediction, which has ended if it was waited for."""
    headers = {"Prefer": "wait=50"} if wait else {}
    answer = api.post(f"/v1/models/{model}/predictions", json={"input": given}, headers=headers)
    return str(answer.json()["id"])


def died(api: httpx2.Client) -> str:
    """The id of a prediction that has crashed its process too often."""
    return run(api, "local/crash")


def dead(api: httpx2.Client) -> list[dict[str, object]]:
    found: list[dict[str, object]] = api.get("/admin/v1/dead").json()["results"]
    return found


def test_the_overview_shows_rates_models_and_the_latest_predictions(visit: Visit, api: httpx2.Client) -> None:
    visit.open().heading("Overview")
    for number in range(5):
        run(api, "local/shout", text=f"hello {number}")

    expect(visit.page.get_by_role("table", name="Models").get_by_role("row")).to_have_count(9)
    expect(visit.row("hello 4")).to_be_visible()
    expect(visit.row("local/shout")).to_be_visible()
    for name in ("Throughput per second", "Queue depth", "Latency"):
        expect(visit.page.get_by_role("img", name=re.compile(f"^{name}:"))).to_be_visible()
    finished = visit.page.locator(".tile").first
    expect(finished).not_to_have_text(re.compile("^Finished0/s"))
    visit.page.locator(".chart svg").first.hover()
    expect(visit.page.locator(".tip").first).to_contain_text("submitted")
    visit.picture("overview")


def test_a_page_leads_to_the_next(visit: Visit, api: httpx2.Client) -> None:
    run(api, "local/shout", text="hello")
    visit.open()

    visit.page.get_by_role("navigation", name="Pages").get_by_role("link", name="Models").click()
    visit.heading("Models")
    visit.page.get_by_role("searchbox").fill("louder")
    expect(visit.page.locator(".model-card")).to_have_count(1)
    visit.page.get_by_role("searchbox").fill("")
    visit.picture("models")
    visit.page.get_by_role("link", name="local/shout").click()
    visit.heading("local/shout")
    visit.row("hello").get_by_role("link").click()

    expect(visit.badge()).to_have_text("succeeded")
    visit.page.go_back()
    visit.heading("local/shout")


def test_predictions_are_filtered_by_state_and_model(visit: Visit, api: httpx2.Client) -> None:
    failed, other = run(api, "local/fail"), run(api, "local/shout", text="fine")
    visit.open("/predictions").heading("Predictions")
    expect(visit.row(other)).to_be_visible()

    visit.page.get_by_role("link", name="failed", exact=True).click()
    expect(visit.row(failed)).to_contain_text("ValueError: no hare was found")
    expect(visit.row(other)).to_have_count(0)
    visit.page.get_by_label("Filter by model").select_option("acme/hum")

    expect(visit.page.get_by_text("No prediction of acme/hum is failed.")).to_be_visible()
    visit.page.get_by_role("link", name="Show all").click()
    expect(visit.row(other)).to_be_visible()
    visit.picture("predictions")


def test_older_predictions_are_a_click_away(visit: Visit, api: httpx2.Client) -> None:
    first = run(api, "local/shout", text="the first")
    for _ in range(100):
        last = run(api, "local/shout", wait=False, text="another")
    api.get(f"/v1/predictions/{last}", headers={"Prefer": "wait"})
    visit.open("/predictions")
    expect(visit.row(last)).to_be_visible()
    expect(visit.row(first)).to_have_count(0)

    visit.button("Show older ones").click()

    expect(visit.row(first)).to_be_visible()
    expect(visit.row(last)).to_be_visible()


def test_a_prediction_shows_its_input_output_logs_and_timeline(visit: Visit, api: httpx2.Client) -> None:
    visit.open(f"/predictions/{run(api, 'local/tell', prompt='Once upon')}")

    expect(visit.badge()).to_have_text("succeeded")
    expect(visit.output().locator(".output")).to_have_text("Once upon there was a hare who slept.")
    expect(visit.page.get_by_label("Logs")).to_contain_text("the story begins")
    expect(visit.page.get_by_role("region", name="Input")).to_contain_text("Once upon")
    steps = visit.page.get_by_role("region", name="Timeline").get_by_role("listitem")
    expect(steps).to_contain_text(["Accepted", "Run 1 began", "First output", "Succeeded"])
    visit.picture("prediction")


def test_a_prediction_is_followed_while_it_runs_and_canceled(visit: Visit, api: httpx2.Client) -> None:
    prediction_id = run(api, "local/ponder", wait=False, seconds=60)
    visit.open(f"/predictions/{prediction_id}")
    expect(visit.badge()).to_have_text("processing")
    expect(visit.page.get_by_text("counting hares")).to_be_visible()
    visit.picture("processing")

    visit.button("Cancel").click()

    expect(visit.badge()).to_have_text("canceled")
    expect(visit.button("Cancel")).to_have_count(0)
    assert "canceled" == api.get(f"/v1/predictions/{prediction_id}").json()["status"]


def test_every_run_of_a_prediction_is_listed(visit: Visit, api: httpx2.Client) -> None:
    visit.open(f"/predictions/{died(api)}")

    expect(visit.badge()).to_have_text("failed")
    rows = visit.page.get_by_role("table", name="Attempts").get_by_role("row")
    expect(rows).to_contain_text(["Run", "came to nothing", "failed"])
    expect(visit.page.get_by_role("region", name="Timeline")).to_contain_text("Another run follows")
    visit.picture("attempts")


def test_what_failed_is_run_again(visit: Visit, api: httpx2.Client) -> None:
    failed = run(api, "local/fail", reason="not yet")
    visit.open(f"/predictions/{failed}").heading(failed)

    visit.button("Retry").click()

    expect(visit.page.get_by_role("heading", level=1)).not_to_have_text(failed)
    expect(visit.badge()).to_have_text("failed")
    assert {"reason": "not yet"} == api.get("/v1/predictions").json()["results"][0]["input"]


def test_a_prediction_is_deleted_once_that_is_confirmed(visit: Visit, api: httpx2.Client) -> None:
    gone = run(api, "local/shout", text="gone")
    visit.open(f"/predictions/{gone}").heading(gone)
    visit.button("Delete").click()
    dialog = visit.page.get_by_role("dialog", name="Delete this prediction?")
    visit.picture("confirm")
    dialog.get_by_role("button", name="Keep").click()
    assert 200 == api.get(f"/v1/predictions/{gone}").status_code

    visit.button("Delete").click()
    dialog.get_by_role("button", name="Delete").click()

    visit.heading("Predictions")
    assert 404 == api.get(f"/v1/predictions/{gone}").status_code


def test_what_is_known_of_a_prediction_stays_when_its_data_is_gone(visit: Visit, api: httpx2.Client) -> None:
    body = {"input": {"text": "soon gone"}, "retention": 1}
    prediction_id = api.post("/v1/models/local/shout/predictions", json=body).json()["id"]
    visit.open(f"/predictions/{prediction_id}").heading(prediction_id)

    expect(visit.badge()).to_have_text("succeeded")
    expect(visit.page.get_by_role("region", name="Input")).to_contain_text("soon gone")
    until = time.monotonic() + 30
    while not api.get(f"/v1/predictions/{prediction_id}").json()["data_removed"]:
        assert time.monotonic() < until
        time.sleep(0.1)
    visit.page.reload()

    expect(visit.page.get_by_role("region", name="Input")).to_contain_text("no longer kept")
    expect(visit.page.get_by_role("region", name="Timeline")).to_contain_text("Succeeded")
    expect(visit.button("Retry")).to_have_count(0)


def test_a_prediction_that_is_not_there_is_said_so(visit: Visit) -> None:
    visit.open("/predictions/none")

    expect(visit.page.get_by_role("alert")).to_contain_text("there is no prediction 'none'")


def test_what_a_model_puts_out_is_never_markup(visit: Visit, api: httpx2.Client) -> None:
    text = "<img src=x onerror=alert(1)><b>bold</b>"
    visit.open(f"/predictions/{run(api, 'local/shout', text=text, polite=False)}")

    expect(visit.output()).to_contain_text("<IMG SRC=X ONERROR=ALERT(1)><B>BOLD</B>")
    expect(visit.output().locator("b, img")).to_have_count(0)


def test_the_workers_are_listed(visit: Visit, api: httpx2.Client) -> None:
    busy = run(api, "local/ponder", wait=False, seconds=60)

    visit.open("/workers").heading("Workers")

    expect(visit.row("local/ponder")).to_contain_text("1 / 1")
    expect(visit.row("local/shout")).to_contain_text("ready")
    expect(visit.page.get_by_text("8 workers on 1 host")).to_be_visible()
    visit.picture("workers")
    api.post(f"/v1/predictions/{busy}/cancel")


def test_dead_letters_are_looked_at_retried_and_purged(visit: Visit, api: httpx2.Client) -> None:
    first, second = died(api), died(api)
    visit.open("/dead").heading("Dead letters")
    expect(visit.row(first)).to_contain_text("exhausted")
    visit.picture("letters")

    visit.row(first).get_by_role("link", name=first).click()
    visit.heading(first)
    expect(visit.page.get_by_role("region", name="Why")).to_contain_text("killed by signal 9")
    visit.picture("letter")
    visit.button("Retry").click()
    expect(visit.badge()).to_have_text("failed")
    again = visit.page.get_by_role("heading", level=1).inner_text()
    visit.open("/dead")
    expect(visit.row(again)).to_be_visible()
    expect(visit.row(first)).to_have_count(0)
    visit.row(second).get_by_role("link", name=second).click()
    visit.button("Purge").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Purge").click()

    visit.heading("Dead letters")
    expect(visit.row(second)).to_have_count(0)
    expect(visit.row(again)).to_be_visible()


def test_all_dead_letters_are_retried_or_purged_at_once(visit: Visit, api: httpx2.Client) -> None:
    letter = died(api)
    visit.open("/dead")
    expect(visit.row(letter)).to_be_visible()

    count = len(dead(api))

    visit.button("Retry all").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Retry all").click()
    expect(visit.row(letter)).to_have_count(0)
    patience = time.monotonic() + 60
    while len(dead(api)) < count:  # each dies again in its own time
        assert time.monotonic() < patience
        time.sleep(0.1)
    expect(visit.button("Purge all")).to_be_visible(timeout=30_000)
    visit.button("Purge all").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Purge all").click()

    expect(visit.page.get_by_text("Nothing has died")).to_be_visible()
    visit.picture("empty")
    assert [] == dead(api)


def test_an_address_that_leads_nowhere_leads_back(visit: Visit) -> None:
    visit.open("/nowhere")

    visit.page.get_by_role("main").get_by_role("link", name="Overview").click()

    visit.heading("Overview")
