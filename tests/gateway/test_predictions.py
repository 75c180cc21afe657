"""Predictions that exist, over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec import Raw

from leveret.core import control
from leveret.core.control import Cancel
from leveret.core.events import Canceled, Progress
from leveret.core.ports import Pulse
from leveret.core.prediction import Means, Prediction
from leveret.gateway import predictions
from tests.gateway.served import PATIENCE, Gateway

PROBLEM = "application/problem+json"


async def test_a_running_prediction_shows_what_there_is_so_far(gateway: Gateway) -> None:
    created = await gateway.create()
    run = await gateway.worker.start(created)
    await gateway.worker.say(run, b'"a"', b'"b"')
    await gateway.worker.report(run, Progress(at=1.0, attempt=1, fraction=0.25))

    prediction = (await gateway.client.get(f"/v1/predictions/{created}")).json()

    assert ("processing", ["a", "b"], 0.25) == (prediction["status"], prediction["output"], prediction["progress"])
    assert "started_at" in prediction
    assert not {"completed_at", "metrics"} & prediction.keys()


async def test_a_finished_prediction_has_its_metrics(gateway: Gateway) -> None:
    await gateway.store.create(
        Prediction(id="odd_ID-1", model="local/echo", input=Raw(b"{}"), created_at=1_700_000_000.25)
    )
    run = await gateway.worker.start("odd_ID-1")
    await gateway.worker.succeed(run)

    prediction = (await gateway.client.get("/v1/predictions/odd_ID-1")).json()

    assert ("succeeded", "done", None) == (prediction["status"], prediction["output"], prediction["error"])
    assert "2023-11-14T22:13:20.250Z" == prediction["created_at"]
    assert prediction["metrics"]["total_time"] > 1000 > prediction["metrics"]["predict_time"] >= 0


@pytest.mark.parametrize("at", [-1.0, 1e300, 0.0])
async def test_a_time_that_no_calendar_has_is_shown_all_the_same(gateway: Gateway, at: float) -> None:
    await gateway.store.create(Prediction(id="p1", model="local/echo", input=Raw(b"{}"), created_at=at))

    answer = await gateway.client.get("/v1/predictions/p1")

    assert answer.json()["created_at"] in {"1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.000Z"}


@pytest.mark.parametrize(
    "name", ["nothing", "%00", "a%0Ab", "%ff", "..", "a%20b", "'%20OR%201=1", "%F0%9F%90%87", "x" * 3000, "{}", "a;b"]
)
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("GET", "/events"), ("POST", "/cancel")])
async def test_an_id_that_nobody_has_is_not_found(gateway: Gateway, name: str, method: str, rest: str) -> None:
    answer = await gateway.client.request(method, f"/v1/predictions/{name}{rest}")

    assert (404, PROBLEM) == (answer.status_code, answer.headers["content-type"])
    assert answer.json()["code"] in {"prediction_not_found", "path_not_found"}


async def test_an_output_that_is_a_blob_is_shown_whole(gateway: Gateway) -> None:
    created = await gateway.create()
    run = await gateway.worker.start(created)
    await gateway.worker.succeed_with_blob(run, await gateway.keep(b'["' + b"x" * 100_000 + b'"]'))

    prediction = (await gateway.client.get(f"/v1/predictions/{created}")).json()

    assert (["x" * 100_000], False) == (prediction["output"], prediction["data_removed"])


async def test_an_output_that_is_gone_is_told_instead_of_a_success_with_nothing_in_it(gateway: Gateway) -> None:
    created = await gateway.create()
    blob = await gateway.keep(b'"large"')
    await gateway.worker.succeed_with_blob(await gateway.worker.start(created), blob)
    await gateway.blobs.delete(blob)

    answer = await gateway.client.get(f"/v1/predictions/{created}")

    assert (404, "blob_not_found", blob.key) == (answer.status_code, answer.json()["code"], answer.json()["key"])


async def test_an_input_that_is_gone_is_data_that_was_removed(gateway: Gateway) -> None:
    created = await gateway.create("x" * 100_000)
    blob = (await gateway.store.get(created)).input_blob
    assert blob is not None
    await gateway.worker.succeed(await gateway.worker.start(created))
    await gateway.blobs.delete(blob)

    prediction = (await gateway.client.get(f"/v1/predictions/{created}")).json()

    assert ({}, "done", True) == (prediction["input"], prediction["output"], prediction["data_removed"])


@pytest.mark.slow
async def test_a_blob_that_is_damaged_is_told(gateway: Gateway, tmp_path: Path) -> None:
    created = await gateway.create()
    blob = await gateway.keep(b'"large"')
    await gateway.worker.succeed_with_blob(await gateway.worker.start(created), blob)
    (tmp_path / "blobs" / blob.key).write_bytes(b'"LARGE"')

    answer = await gateway.client.get(f"/v1/predictions/{created}")

    assert (500, "blob_damaged") == (answer.status_code, answer.json()["code"])


async def test_head_answers_the_headers_only(gateway: Gateway) -> None:
    path = f"/v1/predictions/{await gateway.create()}"

    head, get = await gateway.client.head(path), await gateway.client.get(path)

    assert (200, b"") == (head.status_code, head.content)
    assert get.headers["content-length"] == head.headers["content-length"]


@pytest.mark.slow
async def test_pages_go_from_the_newest_to_the_oldest(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "PAGE", 2)
    created = [await gateway.create() for _ in range(5)]

    found, sizes, address = [], [], f"{gateway.url}/v1/predictions"
    while address:
        page = (await gateway.client.get(address)).json()
        assert {"next", "previous", "results"} == page.keys()
        found += [result["id"] for result in page["results"]]
        sizes.append(len(page["results"]))
        address = page["next"]

    assert sorted(created, reverse=True) == found
    assert [2, 2, 1] == sizes


async def test_a_full_last_page_has_no_next(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "PAGE", 2)
    await gateway.create()
    await gateway.create()

    page = (await gateway.client.get("/v1/predictions")).json()

    assert (2, None, None) == (len(page["results"]), page["next"], page["previous"])


@pytest.mark.slow
async def test_a_page_can_be_filtered_and_its_next_is_too(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "PAGE", 1)
    await gateway.create()
    canceled = [await gateway.create(), await gateway.create()]
    for created in canceled:
        await gateway.client.post(f"/v1/predictions/{created}/cancel")
    await gateway.create()

    first = (await gateway.client.get("/v1/predictions?status=canceled&model=local/echo")).json()
    second = (await gateway.client.get(first["next"])).json()
    other = (await gateway.client.get("/v1/predictions?model=local/other")).json()

    assert [canceled[1]] == [result["id"] for result in first["results"]]
    assert [canceled[0]] == [result["id"] for result in second["results"]]
    assert (None, []) == (second["next"], other["results"])


@pytest.mark.parametrize("query", ["status=aborted", "status=%00", "cursor=%2F%2F", "cursor=a+b", "model=echo"])
async def test_a_filter_that_makes_no_sense_is_refused(gateway: Gateway, query: str) -> None:
    answer = await gateway.client.get(f"/v1/predictions?{query}")

    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])


async def test_a_queued_prediction_is_canceled_at_once(gateway: Gateway) -> None:
    created = await gateway.create()

    answer = await gateway.client.post(f"/v1/predictions/{created}/cancel")

    assert (200, "canceled", created) == (answer.status_code, answer.json()["status"], answer.json()["id"])
    assert answer.json()["stopped"] == "before it started"
    assert {"total_time"} == answer.json()["metrics"].keys()


async def test_the_worker_of_a_running_prediction_is_told_to_stop_it(gateway: Gateway) -> None:
    created = await gateway.create()
    run = await gateway.worker.start(created)

    async with gateway.broker.listen("w1") as messages, asyncio.timeout(PATIENCE):
        answer = await gateway.client.post(f"/v1/predictions/{created}/cancel")
        told = control.decode(await anext(messages))
    await gateway.worker.end(run, Canceled(at=1.0, attempt=1, stopped=Means.KILLED))
    ended = (await gateway.client.get(f"/v1/predictions/{created}")).json()

    assert (200, "processing", None) == (answer.status_code, answer.json()["status"], answer.json()["stopped"])
    assert Cancel(created) == told
    assert ("canceled", "killed") == (ended["status"], ended["stopped"])


async def test_a_cancel_is_accepted_when_the_worker_cannot_be_told(gateway: Gateway) -> None:
    created = await gateway.create()
    run = await gateway.worker.start(created)
    gateway.broker.mute = True

    answer = await gateway.client.post(f"/v1/predictions/{created}/cancel")

    assert (200, "processing") == (answer.status_code, answer.json()["status"])
    assert [Pulse.CANCEL] == await gateway.store.beat([run], worker="w1", lease=1.0)


async def test_a_result_that_comes_before_the_worker_has_stopped_stays(gateway: Gateway) -> None:
    created = await gateway.create()
    run = await gateway.worker.start(created)

    await gateway.client.post(f"/v1/predictions/{created}/cancel")
    await gateway.worker.succeed(run)
    answer = await gateway.client.post(f"/v1/predictions/{created}/cancel")

    assert ("succeeded", None) == (answer.json()["status"], answer.json()["stopped"])


async def test_canceling_what_has_ended_changes_nothing(gateway: Gateway) -> None:
    created = await gateway.create()
    await gateway.worker.succeed(await gateway.worker.start(created))
    before = await gateway.client.get(f"/v1/predictions/{created}")

    answer = await gateway.client.post(f"/v1/predictions/{created}/cancel")

    assert (200, before.json()) == (answer.status_code, answer.json())
