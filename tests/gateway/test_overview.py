"""The overview and the workers of the admin API, over HTTP."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec import Raw

from leveret.core.events import Succeeded
from leveret.gateway.history import PERIOD, History
from tests.gateway.served import ECHO, Gateway, eventually, serving
from tests.gateway.test_models import TREE

RUN = 0.5
"""How long the runs of these tests say that they took, in seconds."""


async def ended(gateway: Gateway) -> None:
    """A prediction that has run for half a second."""
    run = await gateway.worker.start(await gateway.create())
    began = (await gateway.store.get(run.id)).started_at
    assert began is not None
    await gateway.worker.end(run, Succeeded(at=began + RUN, attempt=run.attempt, output=Raw(b'"done"')))


async def looked(gateway: Gateway, *, since: int) -> dict[str, list[dict[str, object]]]:
    """The overview as soon as the gateway has looked at what was counted."""

    async def ask() -> dict[str, list[dict[str, object]]]:
        found: dict[str, list[dict[str, object]]] = (await gateway.client.get("/admin/v1/overview")).json()
        return found

    return await eventually(ask, lambda found: bool(found["history"]) and found["history"][-1]["submitted"] == since)


async def test_each_model_shows_what_waits_and_runs_now(gateway: Gateway) -> None:
    await gateway.store.announce(TREE, worker="w2", lease=60, problem="no device")
    for _ in range(3):
        await gateway.create()
    await gateway.worker.start(await gateway.create())

    found = await eventually(lambda: overview(gateway), lambda found: len(found["models"]) == 2)

    echo, tree = sorted(found["models"], key=lambda one: one["model"] != ECHO.model)
    assert (1, [2, 1, 0, 0], 1, 1, None) == tuple(
        echo[it] for it in ("running", "lanes", "workers", "slots", "problem")
    )
    assert (0, 1, 0, "no device") == tuple(tree[it] for it in ("running", "workers", "slots", "problem"))


async def overview(gateway: Gateway, query: str = "") -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = (await gateway.client.get(f"/admin/v1/overview{query}")).json()
    return found


async def test_the_last_minutes_are_those_of_all_models_or_of_one(gateway: Gateway) -> None:
    await ended(gateway)
    await gateway.create()

    latest = (await looked(gateway, since=2))["history"][-1]
    other = (await overview(gateway, "?model=local/tree"))["history"][-1]

    assert (2, 1, RUN, 0, [1, 0, 0, 0]) == tuple(
        latest[it] for it in ("submitted", "ended", "seconds", "running", "lanes")
    )
    assert (0, 0) == (other["submitted"], other["ended"])


async def test_a_model_that_can_be_none_is_refused(gateway: Gateway) -> None:
    answer = await gateway.client.get("/admin/v1/overview?model=?")

    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])


async def test_a_pace_is_that_of_the_last_minute(gateway: Gateway) -> None:
    history = History(lines=gateway.store)
    await history.look()
    await ended(gateway)
    await gateway.create()
    await history.look()

    pace = history.pace(ECHO.model)

    (first, _), (last, _) = history.looks(None)
    assert (round(2 / (last - first), 6), RUN) == (round(pace.submitted, 6), pace.run)
    assert pace.submitted == 2 * pace.ended
    assert (0.0, 0.0, None) == (
        history.pace("local/none").submitted,
        history.pace("local/none").ended,
        history.pace("local/none").run,
    )


async def test_the_overview_says_how_often_it_is_looked(gateway: Gateway) -> None:
    assert PERIOD == (await gateway.client.get("/admin/v1/overview")).json()["period"]


async def test_every_worker_that_is_alive_is_listed_with_what_it_runs(gateway: Gateway) -> None:
    await gateway.store.announce(TREE, worker="w2", lease=60, problem="no device")
    await gateway.store.announce(TREE, worker="w3", lease=0)
    await gateway.worker.start(await gateway.create())

    await eventually(lambda: overview(gateway), lambda found: len(found["models"]) == 2)

    found = (await gateway.client.get("/admin/v1/workers")).json()["results"]

    assert all(time.time() < one.pop("expires_at") <= time.time() + 61 for one in found)
    assert sorted(found, key=lambda one: str(one["id"])) == [
        {"id": "w1", "model": ECHO.model, "running": 1, "slots": 1, "problem": None},
        {"id": "w2", "model": TREE.model, "running": 0, "slots": 1, "problem": "no device"},
    ]


async def test_what_ended_before_the_store_was_opened_has_not_ended_now(tmp_path: Path) -> None:
    async with serving(tmp_path) as gateway:
        for _ in range(3):
            await ended(gateway)
    async with serving(tmp_path) as gateway:
        history = History(lines=gateway.store)
        await history.look()
        await ended(gateway)
        await history.look()
        await ended(gateway)
        await history.look()

    (_, before), (_, seen), (_, latest) = history.looks(None)

    assert (0, 0.0) == (before.ended, before.seconds)
    assert (1, RUN) == (latest.ended - seen.ended, latest.seconds - seen.seconds)
    assert seen.ended <= 1
