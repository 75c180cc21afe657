"""Waiting for the result, over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from leveret.config import GatewaySettings
from leveret.errors import StoreUnavailable
from leveret.gateway.waits import Waits
from tests.gateway.served import Gateway, eventually, serving


async def waiting(gateway: Gateway, preference: str = "wait") -> tuple[asyncio.Task[httpx2.Response], str]:
    """A client that waits, and the prediction that it waits for."""
    task = asyncio.create_task(gateway.post(prefer=preference))
    prediction_id = await gateway.newest()
    await eventually(gateway.followers, lambda count: count == 1)
    return task, prediction_id


async def test_a_client_that_waits_gets_the_result(gateway: Gateway) -> None:
    answer, prediction_id = await waiting(gateway)
    run = await gateway.worker.start(prediction_id)
    await gateway.worker.succeed(run, b'"done"')

    prediction = (await answer).json()
    assert 201 == (await answer).status_code
    assert ("succeeded", "done", 1) == (prediction["status"], prediction["output"], prediction["attempt"])
    assert {"total_time", "predict_time"} == prediction["metrics"].keys()
    assert prediction == (await gateway.client.get(f"/v1/predictions/{prediction_id}")).json()


@pytest.mark.parametrize(("asked", "applied"), [("wait", "wait"), ("respond-async, wait=7", "wait=7")])
async def test_the_preference_that_was_applied_is_named(gateway: Gateway, asked: str, applied: str) -> None:
    answer, prediction_id = await waiting(gateway, asked)
    await gateway.client.post(f"/v1/predictions/{prediction_id}/cancel")

    assert applied == (await answer).headers["preference-applied"]


async def test_what_was_streamed_is_the_result(gateway: Gateway) -> None:
    answer, prediction_id = await waiting(gateway)
    run = await gateway.worker.start(prediction_id)
    await gateway.worker.say(run, b'"a"', b'"b"')
    await gateway.worker.say(run, b'"c"')
    await gateway.worker.finish(run)

    assert ["a", "b", "c"] == (await answer).json()["output"]


async def test_a_failure_ends_the_wait(gateway: Gateway) -> None:
    answer, prediction_id = await waiting(gateway)
    await gateway.worker.fail(await gateway.worker.start(prediction_id), "ValueError: no")

    assert ("failed", "ValueError: no") == ((await answer).json()["status"], (await answer).json()["error"])


async def test_a_result_that_is_a_blob_is_answered_whole(gateway: Gateway) -> None:
    answer, prediction_id = await waiting(gateway)
    await gateway.worker.succeed_with_blob(
        await gateway.worker.start(prediction_id), await gateway.keep(b'"' + b"x" * 100_000 + b'"')
    )

    assert "x" * 100_000 == (await answer).json()["output"]


@pytest.mark.slow
async def test_a_wait_that_ends_too_early_answers_starting_even_while_it_runs(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=GatewaySettings(max_wait=0.5)) as gateway:
        answer, prediction_id = await waiting(gateway)
        run = await gateway.worker.start(prediction_id)
        await gateway.worker.say(run, b'"a part"')

        prediction = (await answer).json()
        assert (201, "starting", None) == ((await answer).status_code, prediction["status"], prediction["output"])
        assert "processing" == (await gateway.client.get(f"/v1/predictions/{prediction_id}")).json()["status"]
        assert 0 == gateway.store.following


async def test_a_client_that_goes_while_it_waits_leaves_no_follower(gateway: Gateway) -> None:
    _, writer = await asyncio.open_connection(*gateway.address)
    body = b'{"input": {"text": "x"}}'
    writer.write(
        b"POST /v1/models/local/echo/predictions HTTP/1.1\r\nHost: localhost\r\nPrefer: wait\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    await eventually(gateway.followers, lambda count: count == 1)

    writer.close()

    await eventually(gateway.followers, lambda count: count == 0)


async def test_a_store_that_goes_away_during_the_wait_does_not_undo_the_prediction(gateway: Gateway) -> None:
    gateway.store.broken_log = StoreUnavailable(reason="it was switched off")

    answer = await gateway.post(prefer="wait")

    assert (201, "starting") == (answer.status_code, answer.json()["status"])


async def test_a_result_that_cannot_be_read_does_not_undo_the_prediction(gateway: Gateway, tmp_path: Path) -> None:
    answer, prediction_id = await waiting(gateway)
    blob = await gateway.keep(b'"large"')
    (tmp_path / "blobs" / blob.key).write_bytes(b'"LARGE"')
    await gateway.worker.succeed_with_blob(await gateway.worker.start(prediction_id), blob)

    assert (201, "starting") == ((await answer).status_code, (await answer).json()["status"])


async def test_a_gateway_that_closes_answers_those_who_wait(tmp_path: Path) -> None:
    closing = asyncio.Event()
    async with serving(tmp_path, closing=closing) as gateway:
        answer, _ = await waiting(gateway)

        closing.set()

        assert (201, "starting") == ((await answer).status_code, (await answer).json()["status"])
        assert "starting" == (await gateway.post(prefer="wait")).json()["status"]


async def test_an_error_in_the_block_is_not_swallowed() -> None:
    async def receive() -> dict[str, str]:
        await asyncio.Event().wait()
        return {}

    with pytest.raises(ExceptionGroup) as caught:
        async with Waits().while_wanted(receive):
            raise TimeoutError

    assert isinstance(caught.value.exceptions[0], TimeoutError)


async def test_a_prediction_that_is_asked_for_is_answered_when_it_has_ended(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    answer = asyncio.create_task(gateway.client.get(f"/v1/predictions/{prediction_id}", headers={"prefer": "wait=9"}))
    await eventually(gateway.followers, lambda count: count == 1)
    await gateway.worker.succeed(await gateway.worker.start(prediction_id))

    prediction = (await answer).json()

    assert ("succeeded", "done") == (prediction["status"], prediction["output"])
    assert "wait=9" == (await answer).headers["preference-applied"]


async def test_a_prediction_that_is_asked_for_is_answered_as_it_is_when_the_time_is_up(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    await gateway.worker.start(prediction_id)

    answer = await gateway.client.get(f"/v1/predictions/{prediction_id}", headers={"prefer": "wait=0.05"})

    assert (200, "processing") == (answer.status_code, answer.json()["status"])
    assert 0 == await gateway.followers()


async def test_what_has_ended_is_answered_at_once(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    await gateway.worker.succeed(await gateway.worker.start(prediction_id))

    answer = await gateway.client.get(f"/v1/predictions/{prediction_id}", headers={"prefer": "wait=9"})

    assert "succeeded" == answer.json()["status"]
