"""How long what is known of a prediction stays, over HTTP."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from msgspec.structs import replace

from leveret.core.events import Failed, Logs, Why
from leveret.core.ports import Finished, Running
from leveret.core.prediction import Prediction
from leveret.core.retention import Retention
from leveret.erasure import Erasure
from leveret.errors import QueueRefused, StoreUnavailable
from tests.gateway.served import ECHO, Gateway, eventually, serving

MODEL = "/v1/models/local/echo/predictions"
LARGE = "x" * 100_000


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path, retention=Retention(data=0.01)) as gateway:
        yield gateway


def erasure(gateway: Gateway) -> Erasure:
    return Erasure(store=gateway.store, blobs=gateway.blobs)


def files(folder: Path) -> list[str]:
    """The large values that there are."""
    return sorted(str(path.relative_to(folder / "blobs")) for path in (folder / "blobs").rglob("*") if path.is_file())


async def asked(gateway: Gateway, retention: object, path: str = MODEL) -> httpx2.Response:
    body = {"input": {"text": "x"}, "retention": retention, "version": "local/echo"}
    return await gateway.client.post(path, json=body)


async def ran(gateway: Gateway, text: str = "hello") -> str:
    """A prediction that has put out something and has succeeded."""
    answer = await gateway.client.post(MODEL, json={"input": {"text": text}})
    run = await gateway.worker.start(str(answer.json()["id"]))
    await gateway.worker.say(run, b'"a"')
    await gateway.worker.report(run, Logs(at=time.time(), attempt=run.attempt, text="seen\n"))
    await gateway.worker.finish(run)
    return run.id


async def removed(gateway: Gateway, prediction_id: str) -> Prediction:
    """The prediction once its data is gone."""
    erasing = erasure(gateway)

    async def look() -> Prediction:
        await erasing.collect(hold=60.0)
        return await gateway.store.get(prediction_id)

    return await eventually(look, lambda prediction: prediction.data_removed)


@pytest.mark.parametrize("path", [MODEL, "/v1/predictions", "/v1/deployments/local/echo/predictions"])
@pytest.mark.parametrize(
    ("retention", "seconds"), [(90, 90.0), (1.5, 1.5), ("1h", 3600.0), ("1d12h", 129_600.0), ("60", 60.0)]
)
async def test_a_request_may_say_how_long_its_data_stays(
    gateway: Gateway, path: str, retention: object, seconds: float
) -> None:
    answer = await asked(gateway, retention, path)

    assert (201, seconds) == (answer.status_code, answer.json()["retention"])
    assert seconds == (await gateway.store.get(answer.json()["id"])).retention
    async with gateway.broker.consume("local/echo", ahead=0) as deliveries:
        (delivery,) = await deliveries.take(1)
        assert seconds == delivery.prediction.retention
        delivery.ack()


@pytest.mark.parametrize("retention", [0, 0.5, -1, "0s", "", "soon", "1w", "1h1d", 2_592_001, "31d", True, [], {}])
async def test_a_time_that_is_none_or_too_long_is_refused(gateway: Gateway, retention: object) -> None:
    answer = await asked(gateway, retention)

    assert 422 == answer.status_code
    assert "retention" in answer.json()["detail"]
    assert [] == (await gateway.client.get("/v1/predictions")).json()["results"]


@pytest.mark.parametrize(("model", "request_", "expected"), [(None, None, None), (7, None, 7), (7, 9, 9), (7, 5, 5)])
async def test_the_request_goes_before_the_model(
    gateway: Gateway, model: float | None, request_: float | None, expected: float | None
) -> None:
    await gateway.store.announce(replace(ECHO, retention=model), worker="w1", lease=60.0)
    await gateway.client.get("/v1/models/local/unheard")  # for which the catalog is renewed

    answer = await asked(gateway, request_)

    assert expected == answer.json().get("retention")


async def test_when_its_time_is_over_only_the_frame_of_it_is_shown(gateway: Gateway) -> None:
    prediction_id = await ran(gateway)
    before = (await gateway.client.get(f"/v1/predictions/{prediction_id}")).json()
    await removed(gateway, prediction_id)

    after = (await gateway.client.get(f"/v1/predictions/{prediction_id}")).json()
    listed = (await gateway.client.get("/v1/predictions", params={"status": "succeeded"})).json()["results"]

    assert (["a"], "seen\n", False) == (before["output"], before["logs"], before["data_removed"])
    assert after == {**before, "input": {}, "output": None, "logs": "", "data_removed": True}
    assert [after] == listed


@pytest.mark.parametrize("path", ["/v1/predictions/{}/events", "/v1/predictions/{}/events?after=1", "/v1/streams/{}"])
async def test_its_streams_are_gone(gateway: Gateway, path: str) -> None:
    prediction_id = await ran(gateway)
    await removed(gateway, prediction_id)

    answer = await gateway.client.get(path.format(prediction_id))

    assert (410, "data_removed") == (answer.status_code, answer.json()["code"])


async def test_the_blobs_of_every_run_go_with_the_data(gateway: Gateway, tmp_path: Path) -> None:
    answer = await gateway.client.post(MODEL, json={"input": {"text": LARGE}})
    prediction_id = str(answer.json()["id"])
    for attempt in (1, 2):
        run = await gateway.worker.start(prediction_id)
        blob = await gateway.blobs.put(f"outputs/{run.id}/{attempt}.json", _stream(b'"y"'), content_type="a/b")
        if attempt == 1:
            await gateway.worker.hand_back(run)
    await gateway.worker.succeed_with_blob(run, blob)
    before = files(tmp_path)

    await removed(gateway, prediction_id)

    after = await gateway.client.get(f"/v1/predictions/{prediction_id}")
    assert 3 == len(before)
    assert [] == files(tmp_path)
    assert (200, {}, None, True) == (after.status_code, *_data(after))


async def test_what_cannot_be_removed_now_is_removed_later(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [await ran(gateway, text) for text in (LARGE, "small")]

    async def away(_: object) -> None:
        raise StoreUnavailable(reason="the disk is away")

    with monkeypatch.context() as patch:
        patch.setattr(gateway.blobs, "clear", away)
        await eventually(lambda: erasure(gateway).collect(hold=0.01), bool)
        assert {ids[0]} == {one for one in ids if not (await gateway.store.get(one)).data_removed}
    await removed(gateway, ids[0])

    assert [] == files(tmp_path)


async def test_a_deleted_prediction_is_gone_at_once(gateway: Gateway, tmp_path: Path) -> None:
    prediction_id = await ran(gateway, LARGE)

    deleted = await gateway.client.delete(f"/v1/predictions/{prediction_id}")

    again = await gateway.client.delete(f"/v1/predictions/{prediction_id}")
    paths = ["/v1/predictions/{}", "/v1/predictions/{}/events", "/v1/streams/{}"]
    found = [await gateway.client.get(path.format(prediction_id)) for path in paths]
    canceled = await gateway.client.post(f"/v1/predictions/{prediction_id}/cancel")
    assert (204, b"") == (deleted.status_code, deleted.content)
    assert {404} == {answer.status_code for answer in [again, canceled, *found]}
    assert [] == (await gateway.client.get("/v1/predictions")).json()["results"]
    assert [] == files(tmp_path)


async def test_what_has_not_ended_is_not_deleted(gateway: Gateway) -> None:
    waiting, running = await gateway.create(), await gateway.create()
    await gateway.worker.start(running)

    answers = [await gateway.client.delete(f"/v1/predictions/{one}") for one in (waiting, running)]

    assert [(409, "not_ended")] * 2 == [(one.status_code, one.json()["code"]) for one in answers]
    assert "or cancel it first" in answers[0].json()["detail"]
    assert 2 == len((await gateway.client.get("/v1/predictions")).json()["results"])


async def test_what_was_canceled_in_the_queue_and_deleted_is_not_run(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    await gateway.client.post(f"/v1/predictions/{prediction_id}/cancel")

    assert 204 == (await gateway.client.delete(f"/v1/predictions/{prediction_id}")).status_code

    async with gateway.broker.consume("local/echo", ahead=0) as deliveries:
        (delivery,) = await deliveries.take(1)
        assert [Finished()] == await gateway.store.claim([delivery.prediction], worker="w1", lease=60.0)
        delivery.ack()


@pytest.mark.parametrize("given", ["nothing", "a.b", "x" * 65])
async def test_what_there_is_not_cannot_be_deleted(gateway: Gateway, given: str) -> None:
    assert 404 == (await gateway.client.delete(f"/v1/predictions/{given}")).status_code


async def dead(gateway: Gateway, *, ago: float = 0.0) -> Running:
    """A dead letter with a large input, which has died so many seconds ago."""
    answer = await gateway.client.post(MODEL, json={"input": {"text": LARGE}})
    run = await gateway.worker.start(str(answer.json()["id"]))
    await gateway.worker.end(run, Failed(at=time.time() - ago, attempt=run.attempt, error="no", dead=Why.POISON))
    return run


async def test_a_dead_letter_keeps_its_input_and_can_be_run_again(gateway: Gateway, tmp_path: Path) -> None:
    run = await dead(gateway)
    gone = await removed(gateway, run.id)
    await gateway.store.remove_records([gone])
    kept = files(tmp_path)

    shown = await gateway.client.get(f"/admin/v1/dead/{run.id}")
    again = await gateway.client.post(f"/admin/v1/dead/{run.id}/retry")

    fresh = await gateway.store.get(again.json()["id"])
    assert [f"inputs/{run.id}/input.json"] == kept
    assert ({"text": LARGE}, 201, {"text": LARGE}) == (
        shown.json()["input"],
        again.status_code,
        again.json()["input"],
    )
    assert [f"inputs/{fresh.id}/input.json"] == files(tmp_path)
    assert fresh.input_blob is not None


async def test_a_retry_has_its_own_copy_of_the_input(gateway: Gateway, tmp_path: Path) -> None:
    run = await dead(gateway)
    again = await gateway.client.post(f"/admin/v1/dead/{run.id}/retry")

    await removed(gateway, run.id)

    assert [f"inputs/{again.json()['id']}/input.json"] == files(tmp_path)
    assert {"text": LARGE} == (await gateway.client.get(f"/v1/predictions/{again.json()['id']}")).json()["input"]


@pytest.mark.parametrize("path", ["/admin/v1/dead/{}", "/admin/v1/dead"])
async def test_a_purge_takes_along_the_input_that_only_the_dead_letter_has_kept(
    gateway: Gateway, tmp_path: Path, path: str
) -> None:
    run = await dead(gateway)
    await removed(gateway, run.id)

    assert (await gateway.client.delete(path.format(run.id))).is_success

    assert [] == files(tmp_path)


async def test_a_purge_leaves_the_input_to_a_prediction_that_still_has_its_data(
    gateway: Gateway, tmp_path: Path
) -> None:
    run = await dead(gateway)

    await gateway.client.delete(f"/admin/v1/dead/{run.id}")

    assert {"text": LARGE} == (await gateway.client.get(f"/v1/predictions/{run.id}")).json()["input"]
    await removed(gateway, run.id)
    assert [] == files(tmp_path)


async def test_a_purge_that_died_halfway_leaves_nothing_in_the_end(gateway: Gateway, tmp_path: Path) -> None:
    run = await dead(gateway, ago=30 * 24 * 3600)
    await removed(gateway, run.id)
    await gateway.store.discard([run.id])  # and it died before it could remove the input
    assert [f"inputs/{run.id}/input.json"] == files(tmp_path)

    await erasure(gateway).collect(hold=60.0)

    assert [] == files(tmp_path)
    assert 404 == (await gateway.client.get(f"/v1/predictions/{run.id}")).status_code


async def test_to_delete_a_prediction_is_to_delete_its_dead_letter(gateway: Gateway, tmp_path: Path) -> None:
    run = await dead(gateway)

    await gateway.client.delete(f"/v1/predictions/{run.id}")

    assert 404 == (await gateway.client.get(f"/admin/v1/dead/{run.id}")).status_code
    assert [] == files(tmp_path)


async def test_a_dead_letter_whose_input_is_gone_cannot_be_run_again(gateway: Gateway) -> None:
    run = await dead(gateway)
    blob = (await gateway.store.get(run.id)).input_blob
    assert blob is not None
    await gateway.blobs.delete(blob)

    one = await gateway.client.post(f"/admin/v1/dead/{run.id}/retry")
    all_ = await gateway.client.post("/admin/v1/dead/retry")

    assert (404, "blob_not_found") == (one.status_code, one.json()["code"])
    assert (0, 1) == (all_.json()["retried"], all_.json()["skipped"])


@pytest.mark.parametrize("headers", [{"idempotency-key": "a"}, {"authorization": "x", "x-stainless-retry-count": "0"}])
async def test_what_the_broker_has_refused_may_be_sent_again(
    gateway: Gateway, tmp_path: Path, headers: dict[str, str]
) -> None:
    gateway.broker.trouble = QueueRefused(model="local/echo", reason="it is full")
    refused = await gateway.post(LARGE, **headers)
    assert [] == files(tmp_path)
    gateway.broker.trouble = None

    again = await gateway.post(LARGE, **{**headers, "x-stainless-retry-count": "1"})

    assert (503, 201) == (refused.status_code, again.status_code)
    assert "idempotent-replayed" not in again.headers
    assert ["starting"] == [one["status"] for one in (await gateway.client.get("/v1/predictions")).json()["results"]]


async def test_a_repetition_of_what_has_lost_its_data_says_so(gateway: Gateway) -> None:
    body = {"input": {"text": "x"}}
    first = await gateway.client.post(MODEL, json=body, headers={"idempotency-key": "a"})
    await gateway.client.post(f"/v1/predictions/{first.json()['id']}/cancel")
    await removed(gateway, first.json()["id"])

    again = await gateway.client.post(MODEL, json=body, headers={"idempotency-key": "a", "prefer": "wait"})

    assert (201, "canceled", {}, True) == (again.status_code, again.json()["status"], *_data(again)[::2])


async def _stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


def _data(answer: httpx2.Response) -> tuple[object, object, object]:
    shown = answer.json()
    return shown["input"], shown["output"], shown["data_removed"]
