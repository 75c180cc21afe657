"""The metrics of a gateway, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from leveret.observe.metrics import Metrics
from tests.gateway.served import Gateway, eventually, serving


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path, meter=Metrics()) as gateway:
        yield gateway


async def shown(gateway: Gateway) -> Mapping[str, float]:
    """The samples, each with its labels' values."""
    answer = await gateway.client.get("/metrics")
    assert (200, "text/plain; version=0.0.4; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    families = text_string_to_metric_families(answer.text)
    samples = [one for family in families for one in family.samples]
    return {" ".join([one.name, *(value for _, value in sorted(one.labels.items()))]): one.value for one in samples}


async def test_what_waits_and_runs_is_read_off_the_store(gateway: Gateway) -> None:
    first, _, _ = [await gateway.create() for _ in range(3)]
    await gateway.worker.start(first)

    found = await shown(gateway)

    assert {"0 local/echo": 1, "1 local/echo": 1, "2 local/echo": 0, "3 local/echo": 0} == {
        name.removeprefix("leveret_queue_depth "): value
        for name, value in found.items()
        if name.startswith("leveret_queue_depth")
    }
    assert (1, 1, 1) == tuple(found[f"leveret_{what} local/echo"] for what in ("running", "workers", "slots"))
    assert 1 == found["leveret_ready"]
    assert {"leveret_outbox", "leveret_outbox_age_seconds"} < found.keys()


async def test_requests_are_counted_by_route_and_status_and_problems_by_their_code(gateway: Gateway) -> None:
    created = await gateway.create()
    await gateway.client.get(f"/v1/predictions/{created}")
    await gateway.client.get("/v1/predictions/nothing")
    await gateway.client.get("/no/such/page")

    found = await shown(gateway)

    count = "leveret_http_request_seconds_count"
    assert 1 == found[f"{count} /v1/models/{{owner}}/{{name}}/predictions 201"]
    assert 1 == found[f"{count} /v1/predictions/{{prediction_id}} 200"]
    assert 1 == found[f"{count} /v1/predictions/{{prediction_id}} 404"]
    assert 1 == found["leveret_problems_total prediction_not_found"]
    assert not any(created in name or "/no/such/page" in name for name in found)


async def test_the_delivery_to_a_client_that_follows_what_runs_is_measured(gateway: Gateway) -> None:
    created = await gateway.create()
    run = await gateway.worker.start(created)

    async with asyncio.TaskGroup() as group:
        following = group.create_task(gateway.client.get(f"/v1/predictions/{created}/events"))
        await eventually(gateway.followers, lambda count: count == 1)
        await gateway.worker.succeed(run)
    afterwards = await gateway.client.get(f"/v1/predictions/{created}/events")
    found = await shown(gateway)

    assert ["succeeded" in answer.text for answer in (following.result(), afterwards)] == [True, True]
    assert 1 == found["leveret_phase_seconds_count local/echo delivery"]


async def test_without_the_store_the_rest_is_shown(gateway: Gateway) -> None:
    gateway.broker.blocked = gateway.store.away = True

    found = await shown(gateway)

    assert (0, 0) == (found["leveret_ready"], found["leveret_followers"])
