"""Every request has an id, by which its client and the log speak of the same."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from leveret.errors import PublishUnconfirmed
from tests.gateway.served import ECHO, Gateway, serving

PATH = "/v1/models/local/echo/predictions"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path) as gateway:
        await gateway.store.announce(ECHO, worker="w1", lease=60.0)
        yield gateway


async def test_an_answer_says_the_id_that_the_client_has_chosen(gateway: Gateway) -> None:
    answer = await gateway.client.get("/v1/models", headers={"X-Request-Id": "hare-7"})

    assert "hare-7" == answer.headers["x-request-id"]


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, "lv_could-be-a-key"])
async def test_otherwise_or_if_it_may_do_harm_it_is_a_new_one(gateway: Gateway, given: str) -> None:
    ids = [
        (await gateway.client.get("/v1/none", headers={"X-Request-Id": given})).headers["x-request-id"] for _ in "ab"
    ]

    assert all(re.fullmatch("[0-9a-f]{12}-[0-9a-f]+", one) for one in ids)
    assert 2 == len(set(ids))


async def test_a_line_of_the_log_says_for_which_request_it_was(gateway: Gateway) -> None:
    gateway.broker.trouble = PublishUnconfirmed()
    with capture_logs(processors=[merge_contextvars]) as lines:
        answer = await gateway.client.post(PATH, json={"input": {"text": "hop"}}, headers={"X-Request-Id": "hare-7"})
    (line,) = [line for line in lines if line["event"] == "publish unconfirmed"]

    assert 202 == answer.status_code
    assert ("hare-7", answer.json()["id"], "local/echo") == (line["request_id"], line["prediction_id"], line["model"])
