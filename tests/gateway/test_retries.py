"""Running again what has ended, over HTTP."""

from __future__ import annotations

import httpx2
import pytest

from leveret.core.card import Card
from tests.gateway.served import ECHO, Gateway


async def retried(gateway: Gateway, prediction_id: str) -> httpx2.Response:
    return await gateway.client.post(f"/v1/predictions/{prediction_id}/retry")


@pytest.mark.parametrize("end", ["succeeded", "failed", "canceled"])
async def test_what_has_ended_runs_again_as_a_new_prediction(gateway: Gateway, end: str) -> None:
    first = (
        await gateway.client.post(
            "/v1/models/local/echo/predictions", json={"input": {"text": "hello"}, "priority": "low"}
        )
    ).json()
    match end:
        case "succeeded":
            await gateway.worker.succeed(await gateway.worker.start(first["id"]))
        case "failed":
            await gateway.worker.fail(await gateway.worker.start(first["id"]), "ValueError: no")
        case _:
            await gateway.client.post(f"/v1/predictions/{first['id']}/cancel")
    waiting = sum(await gateway.broker.depth(ECHO.model))

    answer = await retried(gateway, first["id"])

    again = answer.json()
    assert (201, "starting", "low", {"text": "hello"}) == (
        answer.status_code,
        *(again[name] for name in ("status", "priority", "input")),
    )
    assert again["id"] != first["id"]
    assert f"{gateway.url}/v1/predictions/{again['id']}" == answer.headers["location"]
    assert end == (await gateway.client.get(f"/v1/predictions/{first['id']}")).json()["status"]
    assert waiting + 1 == sum(await gateway.broker.depth(ECHO.model))
    assert await gateway.worker.succeed(await gateway.worker.start(again["id"]))


async def test_what_has_not_ended_is_not_run_twice(gateway: Gateway) -> None:
    prediction_id = await gateway.create()

    waits = await retried(gateway, prediction_id)
    await gateway.worker.start(prediction_id)
    runs = await retried(gateway, prediction_id)

    assert [(409, "not_ended"), (409, "not_ended")] == [(one.status_code, one.json()["code"]) for one in (waits, runs)]
    assert [prediction_id] == [one["id"] for one in (await gateway.client.get("/v1/predictions")).json()["results"]]


async def test_a_large_input_is_run_again_whole_and_kept_apart(gateway: Gateway) -> None:
    prediction_id = await gateway.create("x" * 100_000)
    await gateway.worker.succeed(await gateway.worker.start(prediction_id))
    first = await gateway.store.get(prediction_id)

    again = (await retried(gateway, prediction_id)).json()
    second = await gateway.store.get(again["id"])

    assert {"text": "x" * 100_000} == again["input"]
    assert first.input_blob is not None
    assert second.input_blob is not None
    assert first.input_blob.key != second.input_blob.key


async def test_an_input_that_is_gone_cannot_be_run_again(gateway: Gateway) -> None:
    prediction_id = await gateway.create("x" * 100_000)
    await gateway.worker.succeed(await gateway.worker.start(prediction_id))
    blob = (await gateway.store.get(prediction_id)).input_blob
    assert blob is not None
    await gateway.blobs.delete(blob)

    answer = await retried(gateway, prediction_id)

    assert (409, "input_removed") == (answer.status_code, answer.json()["code"])


async def test_it_runs_on_what_its_model_is_now(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    await gateway.worker.succeed(await gateway.worker.start(prediction_id))
    newer = Card(model=ECHO.model, version="1e" * 32, input_schema=ECHO.input_schema, output_schema=ECHO.output_schema)
    await gateway.store.announce(newer, worker="w2", lease=60)
    await gateway.client.get("/v1/models/local/unknown")  # which renews the catalog

    assert newer.version == (await retried(gateway, prediction_id)).json()["version"]


@pytest.mark.parametrize("name", ["nothing", "..", "%00"])
async def test_what_nobody_has_is_not_found(gateway: Gateway, name: str) -> None:
    assert 404 == (await retried(gateway, name)).status_code
