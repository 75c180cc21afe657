"""How many workers a model wants, over HTTP."""

from __future__ import annotations

import time
from typing import Final

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.core.events import Succeeded
from leveret.core.keys import Scope
from leveret.core.ports import Running
from leveret.core.prediction import Prediction
from tests.gateway.served import ECHO, Gateway, eventually
from tests.gateway.test_auth import bearer, made

SCALE: Final = "/admin/v1/models/local/echo/scale"


async def asked(gateway: Gateway, path: str = SCALE, **parameters: str) -> dict[str, float | str | None]:
    answer = await gateway.client.get(path, params=parameters)
    assert 200 == answer.status_code, answer.text
    found: dict[str, float | str | None] = answer.json()
    return found


async def begun(gateway: Gateway) -> Running:
    """A new prediction in a worker's hand."""
    created = await gateway.create()
    async with gateway.broker.consume(ECHO.model, ahead=1) as deliveries:
        (delivery,) = await deliveries.take(1)
        delivery.ack()
    return await gateway.worker.start(created)


async def ended(gateway: Gateway, *, after: float) -> None:
    """A run that says that it took so long."""
    run = await begun(gateway)
    began = (await gateway.store.get(run.id)).started_at
    assert began is not None
    assert await gateway.worker.end(run, Succeeded(at=began + after, attempt=run.attempt, output=Raw(b'""')))


async def test_what_waits_and_what_runs_becomes_a_number_of_workers(gateway: Gateway) -> None:
    await gateway.store.announce(replace(ECHO, slots=2), worker="w1", lease=60)
    await ended(gateway, after=12.0)
    await begun(gateway)
    for _ in range(10):
        await gateway.create()

    found = await eventually(lambda: asked(gateway, target_wait="30"), lambda found: found["slots"] == 2)

    assert {
        "model": "local/echo",
        "queued": 10,
        "running": 1,
        "mean_run": pytest.approx(12.0),
        "slots": 2,
        "target_wait": 30.0,
        "workers": 1,
        "desired": 3,  # 10 * 12 / 30 + 1, by twos
    } == found


async def test_a_shorter_wait_wants_more(gateway: Gateway) -> None:
    await ended(gateway, after=12.0)
    for _ in range(10):
        await gateway.create()

    assert [4, 12] == [(await asked(gateway, target_wait=wait))["desired"] for wait in ("30", "10")]


async def test_an_empty_model_wants_nobody(gateway: Gateway) -> None:
    found = await asked(gateway)

    assert (0, None, 30.0) == (found["desired"], found["mean_run"], found["target_wait"])


async def test_without_a_worker_that_lives_the_slots_are_those_of_the_last_card(gateway: Gateway) -> None:
    for lease in (60, 0):
        await gateway.store.announce(replace(ECHO, slots=8), worker="w1", lease=lease)

    found = await eventually(lambda: asked(gateway), lambda found: found["workers"] == 0)

    assert 8 == found["slots"]


async def test_a_model_that_nobody_has_announced_wants_the_one_that_does(gateway: Gateway) -> None:
    found = await asked(gateway, "/admin/v1/models/acme/new/scale")

    assert (1, 1, 0) == (found["desired"], found["slots"], found["workers"])


async def test_what_programs_have_published_themselves_counts(gateway: Gateway) -> None:
    foreign = Prediction(id="0" * 26, model=ECHO.model, input=Raw(b"{}"), created_at=time.time())
    await gateway.broker.publish(foreign)

    found = await asked(gateway)

    assert (1, 1) == (found["queued"], found["desired"])


@pytest.mark.parametrize("wait", ["0", "-1", "nan", "inf", "soon", "1e7"])
async def test_a_wait_that_is_none_is_refused(gateway: Gateway, wait: str) -> None:
    answer = await gateway.client.get(SCALE, params={"target_wait": wait})

    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])


async def test_a_name_that_no_model_can_have_is_not_found(gateway: Gateway) -> None:
    answer = await gateway.client.get("/admin/v1/models/Acme/New/scale")

    assert (404, "model_not_found") == (answer.status_code, answer.json()["code"])


async def test_a_key_for_metrics_may_ask_this_and_nothing_else_of_the_admin_api(gateway: Gateway) -> None:
    metrics, reader = await made(gateway, Scope.METRICS), await made(gateway, Scope.READ)

    answers = [
        await gateway.client.get(SCALE, headers=bearer(metrics)),
        await gateway.client.get(SCALE, headers=bearer(reader)),
        await gateway.client.get("/admin/v1/queues", headers=bearer(metrics)),
        await gateway.client.get("/v1/models", headers=bearer(metrics)),
    ]

    assert [200, 403, 403, 403] == [answer.status_code for answer in answers]
