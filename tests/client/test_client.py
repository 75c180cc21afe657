"""Both clients against a gateway: run, submit, wait, cancel, retry, lists, and errors."""

from __future__ import annotations

import asyncio
from datetime import UTC

import pytest
from msgspec.structs import replace

from leveret.client import AsyncClient, Client, ModelFailed, Place, PredictionCanceled
from leveret.core.events import Logs, Progress
from leveret.core.prediction import HookEvent
from leveret.errors import (
    DeadLetterNotFound,
    GatewayUnreachable,
    InvalidInput,
    InvalidRequest,
    InvalidSetting,
    ModelNotFound,
    NotEnded,
    PredictionNotFound,
    StillRunning,
    UrlForbidden,
)
from tests.client.both import Either
from tests.gateway.served import ECHO, Gateway, eventually

ECHOED = {"text": "hello"}


async def test_run_answers_the_output(gateway: Gateway, client: Either) -> None:
    running = asyncio.create_task(client.run("local/echo", ECHOED))
    run = await gateway.worker.start(await gateway.newest())
    await gateway.worker.succeed(run, b'{"said": ["hello", 1, null]}')

    assert {"said": ["hello", 1, None]} == await running


async def test_a_model_of_the_local_owner_needs_no_owner_and_may_name_its_version(
    gateway: Gateway, client: Either
) -> None:
    handles = [await client.submit(name, ECHOED) for name in ("echo", f"local/echo:{ECHO.version}", "echo:")]

    assert [ECHO.model] * 3 == [handle.prediction.model for handle in handles]


async def test_what_fails_and_what_is_canceled_raise_with_the_prediction(gateway: Gateway, client: Either) -> None:
    failing, canceled = [await client.submit("echo", ECHOED) for _ in range(2)]
    run = await gateway.worker.start(failing.id)
    await gateway.worker.report(run, Logs(at=1.0, attempt=1, text="Traceback …"))
    await gateway.worker.fail(run, "ValueError: no")
    assert "canceled" == (await canceled.cancel()).status

    with pytest.raises(ModelFailed, match="ValueError: no") as failure:
        (await failing.wait()).result()
    with pytest.raises(PredictionCanceled, match="before it started") as cancel:
        (await canceled.wait()).result()

    assert (failing.id, "Traceback …") == (failure.value.prediction.id, failure.value.prediction.logs)
    assert ("model_failed", "prediction_canceled") == (failure.value.code, cancel.value.code)


async def test_a_handle_shows_the_prediction_as_it_was_and_as_it_is(gateway: Gateway, client: Either) -> None:
    handle = await client.submit("echo", ECHOED, priority="high", cancel_after=3600)
    run = await gateway.worker.start(handle.id)
    await gateway.worker.report(run, Progress(at=1.0, attempt=1, fraction=0.25))

    before, after = handle.prediction, await handle.reload()

    assert ("starting", 0, None, "high") == (before.status, before.attempt, before.progress, before.priority)
    assert ("processing", 1, 0.25) == (after.status, after.attempt, after.progress)
    assert after == handle.prediction
    assert replace(after, queue=None) == replace((await client.get(handle.id)).prediction, queue=None)
    assert before.deadline is not None
    assert 3600 == (before.deadline - before.created_at).total_seconds()
    assert UTC.utcoffset(None) == before.created_at.utcoffset()


async def test_a_wait_ends_with_its_time_and_may_begin_again(gateway: Gateway, client: Either) -> None:
    handle = await client.submit("echo", ECHOED)
    run = await gateway.worker.start(handle.id)

    with pytest.raises(StillRunning, match=handle.id):
        await handle.wait(0.1)
    with pytest.raises(StillRunning, match="processing"):
        await handle.wait(0)
    waiting = asyncio.create_task(handle.wait())
    await eventually(gateway.followers, lambda count: count == 1)
    await gateway.worker.succeed(run, b'"late"')

    assert "late" == (await waiting).result()
    assert "late" == (await handle.wait(0)).output


async def test_a_run_that_takes_too_long_goes_on(gateway: Gateway, client: Either) -> None:
    with pytest.raises(StillRunning):
        await client.run("echo", ECHOED, timeout=0.1)

    assert "starting" == (await client.get(await gateway.newest())).prediction.status


async def test_what_has_ended_is_retried(gateway: Gateway, client: Either) -> None:
    handle = await client.submit("echo", ECHOED)
    with pytest.raises(NotEnded, match=handle.id):
        await client.retry(handle.id)
    await client.cancel(handle.id)

    again = await client.retry(handle.id)

    assert (True, ECHOED, "starting") == (again.id != handle.id, again.prediction.input, again.prediction.status)


@pytest.mark.slow
async def test_predictions_are_listed_page_by_page(gateway: Gateway, client: Either) -> None:
    created = [await gateway.create() for _ in range(101)]
    await client.cancel(created[0])

    everything = [one.id async for one in client.predictions()]
    canceled = [one.id async for one in client.predictions(status="canceled", model="local/echo")]

    assert created[::-1] == everything
    assert created[:1] == canceled


async def test_a_model_says_how_many_workers_it_wants(gateway: Gateway, client: Either) -> None:
    await gateway.create()

    scale = await client.scale("echo", target_wait=5)

    assert ("local/echo", 1, 1, 5.0) == (scale.model, scale.queued, scale.desired, scale.target_wait)


async def test_models_and_queues_are_listed(gateway: Gateway, client: Either) -> None:
    await gateway.create()

    (model,), (queue,) = await client.models(), await client.queues()

    assert ("local/echo", "Says it again.", 1) == (model.id, model.description, model.workers)
    assert {"Input", "Output"} <= model.schemas.keys()
    assert ("local/echo", 1, [1, 0, 0, 0], 0, 1) == (
        queue.model,
        queue.waiting,
        queue.lanes,
        queue.running,
        queue.workers,
    )


async def test_a_refusal_is_raised_as_what_it_is_in_the_words_of_the_gateway(gateway: Gateway, client: Either) -> None:
    refused = [
        (InvalidInput, client.submit("echo", {"text": 1})),
        (ModelNotFound, client.submit("other", {})),
        (ModelNotFound, client.submit("../echo", {})),
        (InvalidRequest, client.submit("echo", ECHOED, priority="urgent")),
        (InvalidRequest, client.submit("echo", ECHOED, cancel_after=1)),
        (PredictionNotFound, client.get("nothing")),
        (PredictionNotFound, client.cancel("..")),
    ]
    for kind, call in refused:
        with pytest.raises(kind):
            await call

    with pytest.raises(InvalidInput) as caught:
        await client.submit("echo", {"text": 1})
    assert [{"path": "/input/text", "message": 'the value is not of type "string"'}] == caught.value.data["errors"]
    assert str(caught.value).startswith("the input does not fit the schema of local/echo: /input/text")


async def test_what_is_no_json_is_refused_before_it_is_sent(client: Either) -> None:
    with pytest.raises(InvalidRequest, match="is no JSON"):
        await client.submit("echo", {"text": object()})


async def test_the_environment_says_where_the_gateway_is(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVERET_URL", gateway.url + "/")

    async with AsyncClient() as client:
        assert ["local/echo"] == [model.id for model in await client.models()]


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://127.0.0.1:port"])
def test_an_address_that_cannot_be_is_a_mistake(url: str) -> None:
    with Client(url) as client, pytest.raises(InvalidSetting, match="--url or LEVERET_URL"):
        client.models()


def test_where_nobody_answers_it_is_tried_until_patience_ends() -> None:
    with (
        Client("http://127.0.0.1:1", patience=0.3) as client,
        pytest.raises(GatewayUnreachable, match=r"127\.0\.0\.1:1"),
    ):
        client.models()


async def test_dead_letters_are_reached_by_the_client_that_blocks(gateway: Gateway) -> None:
    def look() -> list[str]:
        with Client(gateway.url) as client:
            with pytest.raises(DeadLetterNotFound):
                client.letters.get("nothing")
            return [letter.id for letter in client.letters.list()]

    assert [] == await asyncio.to_thread(look)


async def test_what_waits_shows_where_it_stands(gateway: Gateway, client: Either) -> None:
    handles = [await client.submit("echo", ECHOED) for _ in range(2)]

    async def positions() -> list[int]:
        places = [(await handle.reload()).queue for handle in handles]
        return [place.position for place in places if place is not None]

    assert [0, 1] == await eventually(positions, lambda found: found == [0, 1])
    await gateway.store.announce(ECHO, worker="w1", lease=0)

    async def place() -> Place | None:
        return (await handles[0].reload()).queue

    found = await eventually(place, lambda found: found is not None and not found.is_possible)
    assert found is not None
    assert "no worker of local/echo is alive" == found.reason


async def test_a_webhook_and_a_retention_are_asked_for(gateway: Gateway, client: Either) -> None:
    url = "https://example.com/hook"
    handle = await client.submit(
        "echo", ECHOED, retention="1h", webhook=url, webhook_events_filter=[HookEvent.COMPLETED]
    )

    stored = await gateway.store.get(handle.id)
    assert stored.webhook is not None
    assert (3600.0, url, (HookEvent.COMPLETED,)) == (stored.retention, stored.webhook.url, stored.webhook.events)
    assert (url, ["completed"]) == (handle.prediction.webhook, handle.prediction.webhook_events_filter)
    with pytest.raises(UrlForbidden):
        await client.submit("echo", ECHOED, webhook="http://127.0.0.1/")


async def test_what_has_ended_is_deleted(client: Either) -> None:
    handle = await client.submit("echo", ECHOED)
    with pytest.raises(NotEnded):
        await client.delete(handle.id)
    await handle.cancel()

    await client.delete(handle.id)

    with pytest.raises(PredictionNotFound):
        await client.get(handle.id)
