"""`leveret webhooks` as people and scripts meet it, against a gateway on the embedded database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from leveret import cli
from leveret.core.prediction import HookEvent
from leveret.core.webhooks import Call
from leveret.errors import PredictionNotFound, WebhookNotFound
from tests.gateway.served import Gateway, serving

FAILED = Call(at=1.7e9, event=HookEvent.START, webhook_id="msg_1", attempt=1, seconds=15.0, error="late \x1b[31m")
MADE = Call(at=1.7e9 + 5, event=HookEvent.START, webhook_id="msg_1", attempt=2, seconds=0.25, status=204)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path) as gateway:
        yield gateway


async def hooked(gateway: Gateway) -> str:
    body = {"input": {"text": "x"}, "webhook": "https://hooks.example"}
    answer = await gateway.client.post("/v1/models/local/echo/predictions", json=body)
    return str(answer.json()["id"])


async def webhooks(gateway: Gateway, *arguments: str) -> Result:
    runner = CliRunner(env={"LEVERET_URL": gateway.url})
    return await asyncio.to_thread(lambda: runner.invoke(cli.app, ["webhooks", *arguments]))


async def test_the_calls_are_listed_latest_first(gateway: Gateway) -> None:
    prediction_id = await hooked(gateway)
    for call in (FAILED, MADE):
        await gateway.store.called(prediction_id, call, told=0)

    shown = await webhooks(gateway, "list", prediction_id)
    listed = json.loads((await webhooks(gateway, "list", prediction_id, "--json")).stdout)

    rows = [line.split() for line in shown.stdout.splitlines()]
    assert ["at", "event", "webhook-id", "attempt", "took", "answer"] == rows[0]
    assert ["2023-11-14T22:13:25.000Z", "start", "msg_1", "2", "0.25", "s", "204"] == rows[1]
    assert "late \\x1b[31m" in shown.stdout
    assert [2, 1] == [one["attempt"] for one in listed["results"]]


async def test_what_was_not_called_or_is_gone_is_said(gateway: Gateway) -> None:
    prediction_id = await hooked(gateway)
    await gateway.store.silence(prediction_id)

    shown = await webhooks(gateway, "list", prediction_id)

    assert "it has not been called" in shown.stderr
    assert "410" in shown.stderr


async def test_a_call_is_demanded(gateway: Gateway) -> None:
    prediction_id = await hooked(gateway)

    told = await webhooks(gateway, "redeliver", prediction_id)
    printed = json.loads((await webhooks(gateway, "redeliver", prediction_id, "--json")).stdout)

    assert told.stdout.startswith("it is called as msg_")
    assert printed["webhook_id"].startswith("msg_")


async def test_a_prediction_without_a_webhook_is_an_error(gateway: Gateway) -> None:
    refused = await webhooks(gateway, "redeliver", await gateway.create())

    assert isinstance(refused.exception, WebhookNotFound)
    assert "has no webhook" in str(refused.exception)


async def test_what_is_no_id_is_not_asked_for(gateway: Gateway) -> None:
    refused = await webhooks(gateway, "list", "../models")

    assert isinstance(refused.exception, PredictionNotFound)
