"""Where a prediction stands, over HTTP."""

from __future__ import annotations

import time
from typing import Final

import httpx2
from msgspec import Raw
from msgspec.structs import replace

from leveret.core.events import Progress, Succeeded
from tests.gateway.served import ECHO, Gateway, eventually

RUN: Final = 2.0
"""How long the runs of these tests say that they took, in seconds."""


class Shown:
    """What is shown of a prediction's queue."""

    def __init__(self, answer: httpx2.Response) -> None:
        queue = answer.json()["queue"]
        self.position: int = queue["position"]
        self.eta: float | None = queue["eta_seconds"]
        self.possible: bool = queue["is_possible"]
        self.reason: str | None = queue["reason"]


async def shown(gateway: Gateway, prediction_id: str) -> Shown:
    return Shown(await gateway.client.get(f"/v1/predictions/{prediction_id}"))


async def taught(gateway: Gateway) -> None:
    """Have the gateway know how long runs take."""
    run = await gateway.worker.start(await gateway.create())
    began = (await gateway.store.get(run.id)).started_at
    assert began is not None
    assert await gateway.worker.end(run, Succeeded(at=began + RUN, attempt=run.attempt, output=Raw(b'"done"')))
    await eta(gateway, await gateway.create())


async def eta(gateway: Gateway, prediction_id: str) -> float:
    found = await eventually(lambda: shown(gateway, prediction_id), lambda shown: shown.eta is not None)
    assert found.eta is not None
    return found.eta


async def two_waiting(gateway: Gateway) -> tuple[str, str]:
    """Two predictions of which the gateway has seen that nobody begins them."""
    one, two = await gateway.create(), await gateway.create()
    await eventually(lambda: shown(gateway, two), lambda shown: shown.position == 1)
    return one, two


async def test_the_creation_says_how_many_are_before_it(gateway: Gateway) -> None:
    await two_waiting(gateway)

    later = [Shown(await gateway.post()).position, Shown(await low(gateway)).position]

    assert 2 == later[0]  # the second lane has its turn after two of the first
    assert 3 == later[1]


async def test_the_position_moves_with_the_queue(gateway: Gateway) -> None:
    one, two = await two_waiting(gateway)
    three = str((await gateway.post()).json()["id"])

    before = (await shown(gateway, three)).position
    await gateway.worker.start(one)
    await gateway.client.post(f"/v1/predictions/{two}/cancel")
    canceled = (await gateway.client.get(f"/v1/predictions/{two}")).json()
    last = await eventually(lambda: shown(gateway, three), lambda shown: shown.position == 0)

    assert 2 == before
    assert "queue" not in canceled
    assert last.possible


async def test_an_eta_is_told_once_a_run_has_ended(gateway: Gateway) -> None:
    first = Shown(await gateway.post())
    await taught(gateway)
    later = [Shown(await gateway.post()).eta for _ in range(8)]

    assert (None, True, None) == (first.eta, first.possible, first.reason)
    assert None not in later
    assert RUN <= (later[0] or 0.0) < (later[-1] or 0.0)


async def test_what_runs_has_the_rest_of_its_run_before_it(gateway: Gateway) -> None:
    await taught(gateway)
    run = await gateway.worker.start(await gateway.create())
    running = await shown(gateway, run.id)
    await gateway.worker.report(run, Progress(at=time.time(), attempt=1, fraction=1.0))
    nearly_done = await shown(gateway, run.id)

    assert 0 == running.position
    assert 0 < (running.eta or 0.0) <= RUN
    assert 0 == nearly_done.eta


async def test_nobody_can_run_it_while_no_worker_is_alive(gateway: Gateway) -> None:
    await taught(gateway)
    await gateway.store.announce(ECHO, worker="w1", lease=0)
    gone = await eventually(lambda: posted(gateway), lambda shown: not shown.possible)
    await gateway.store.announce(ECHO, worker="w1", lease=60)
    back = await eventually(lambda: posted(gateway), lambda shown: shown.possible)

    assert ("no worker of local/echo is alive", None) == (gone.reason, gone.eta)
    assert (None, True) == (back.reason, back.eta is not None)


async def test_nobody_can_run_it_while_every_worker_has_a_problem(gateway: Gateway) -> None:
    await gateway.store.announce(ECHO, worker="w1", lease=60, problem="no device")
    stuck = await eventually(lambda: posted(gateway), lambda shown: not shown.possible)
    await gateway.store.announce(ECHO, worker="w2", lease=60)
    able = await eventually(lambda: posted(gateway), lambda shown: shown.possible)

    assert "no device" == stuck.reason
    assert able.reason is None


async def test_more_slots_make_a_shorter_wait(gateway: Gateway) -> None:
    await taught(gateway)
    many = [await gateway.create() for _ in range(12)]
    before = await eta(gateway, many[-1])
    await gateway.store.announce(replace(ECHO, slots=16), worker="w1", lease=60)

    after = await eventually(lambda: shown(gateway, many[-1]), lambda shown: (shown.eta or before) < before / 2)

    assert RUN <= (after.eta or 0.0)


async def test_a_page_shows_it_as_well(gateway: Gateway) -> None:
    _, waiting = await two_waiting(gateway)
    page = (await gateway.client.get("/v1/predictions")).json()["results"]

    (found,) = [one["queue"]["position"] for one in page if one["id"] == waiting]
    assert 1 == found


async def posted(gateway: Gateway) -> Shown:
    return Shown(await gateway.post())


async def low(gateway: Gateway) -> httpx2.Response:
    body = {"input": {"text": "hello"}, "priority": "low"}
    return await gateway.client.post("/v1/models/local/echo/predictions", json=body)
