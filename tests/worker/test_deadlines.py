"""Deadlines of what a worker has in its hand, with real processes: how a run is stopped, and what becomes of others."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from leveret.core.events import Canceled, Reset
from leveret.core.prediction import Blob, Means, Prediction, Status
from tests.worker.arrange import GATED, PATIENCE, QUICK, Family, appears, let_go

pytestmark = pytest.mark.slow

SOON = 3.0
"""Seconds in which a run has begun for certain."""

ALONE = replace(QUICK, cancel_grace=0.2, beat=60.0, lease=120.0, max_attempts=1)
"""So that nothing but the worker's own clock can tell it."""

MODEL = """
@model
def busy(how: str, context: Context) -> str:
    try:
        Path(__file__).with_suffix(f".began-{how}").touch()
        if how == "sleep":
            time.sleep(3600)
        if how == "stuck":
            sum(range(10**18))
        return how
    finally:
        context.log("cleaned up")
"""
BATCHED = """
@model(batch=3, batch_window=20.0)
def busy(n: list[int]) -> list[int]:
    Path(__file__).with_suffix(f".began-{'-'.join(map(str, n))}").touch()
    if 0 in n:
        time.sleep(3600)
    return n
"""


def how_it_ended(prediction: Prediction) -> tuple[Status, Means | None, str | None]:
    return prediction.status, prediction.stopped, prediction.error


@pytest.mark.parametrize(
    ("how", "means", "logs"), [("sleep", Means.INTERRUPTED, "cleaned up\n"), ("stuck", Means.TERMINATED, "")]
)
async def test_a_run_that_is_past_its_deadline_is_stopped_as_by_a_cancel(
    family: Family, how: str, means: Means, logs: str
) -> None:
    async with family.serving(family.model(MODEL), ALONE):
        (submitted,) = await family.submit("local/busy", {"how": how}, deadline=time.time() + SOON)
        result = await family.result(submitted)
        (behind,) = await family.submit("local/busy", {"how": "quick"}, deadline=time.time() + 3600)
        assert await family.output(behind) == "quick"

    assert (Status.CANCELED, means, "deadline passed while it ran") == how_it_ended(result)
    assert result.logs == logs
    assert result.deadline is not None
    assert result.completed_at is not None
    assert result.deadline <= result.completed_at
    assert (0, 0, 0, 0) == await family.broker.depth("local/busy")
    assert [] == await family.store.overdue(hold=0, limit=10)


async def test_what_has_started_in_time_may_run_on(family: Family, tmp_path: Path) -> None:
    gate = str(tmp_path / "a")
    start_by = time.time() + SOON
    async with family.serving(family.model(GATED), ALONE):
        (submitted,) = await family.submit("local/gated", {"gate": gate}, start_by=start_by)
        await family.reaches(submitted, "started")
        await asyncio.sleep(max(0.0, start_by - time.time()))
        let_go(gate)
        result = await family.result(submitted)

    assert (Status.SUCCEEDED, None, None) == how_it_ended(result)


async def test_what_was_claimed_and_waits_behind_another_never_begins(family: Family, tmp_path: Path) -> None:
    gates = [str(tmp_path / name) for name in "abc"]
    for gate in gates[1:]:
        let_go(gate)

    async with family.serving(family.model(GATED), ALONE):
        let_go(f"{tmp_path}/warm")
        (warm,) = await family.submit("local/gated", {"gate": f"{tmp_path}/warm"})
        await family.result(warm)
        (first,) = await family.submit("local/gated", {"gate": gates[0]})
        (second,) = await family.submit("local/gated", {"gate": gates[1]}, deadline=time.time() + SOON)
        (third,) = await family.submit("local/gated", {"gate": gates[2]})
        late = await family.result(second)
        running = await family.store.get(first)
        let_go(gates[0])
        others = [await family.result(one) for one in (first, third)]

    assert (Status.CANCELED, Means.NOT_BEGUN, "deadline passed before it started") == how_it_ended(late)
    assert ["queued", "started", "canceled"] == await family.kinds(second)
    assert running.status is Status.PROCESSING
    assert [(Status.SUCCEEDED, 1)] * 2 == [(one.status, one.attempt) for one in others]
    assert not (tmp_path / "b.began-1").exists()


async def test_an_item_whose_deadline_passes_before_the_batch_runs_leaves_it(family: Family) -> None:
    pipe = family.folder / "blobs" / "inputs" / "pipe.json"
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    deadline = time.time() + SOON

    async with family.serving(family.model(BATCHED), ALONE):
        (late,) = await family.submit("local/busy", {"n": 1}, deadline=deadline)
        (other,) = await family.submit("local/busy", {"n": 2})
        # An input that cannot be read until somebody writes it holds the batch up between claim and run.
        await family.submit("local/busy", {"n": 3}, blob=Blob(key="inputs/pipe.json", size=1, sha256="0" * 64))
        await family.reaches(late, "started")
        await asyncio.sleep(max(0.0, deadline - time.time()))
        writer = await asyncio.to_thread(os.open, pipe, os.O_WRONLY)
        os.close(writer)
        results = [await family.result(one) for one in (late, other)]

    assert (Status.CANCELED, Means.NOT_BEGUN, "deadline passed before it started") == how_it_ended(results[0])
    assert ["queued", "started", "canceled"] == await family.kinds(late)
    assert (Status.SUCCEEDED, 1) == (results[1].status, results[1].attempt)
    assert ["began-2"] == [path.suffix[1:] for path in family.folder.glob("*.began-*")]


async def test_the_others_of_a_batch_run_again_when_one_is_past_its_deadline(family: Family) -> None:
    async with family.serving(family.model(BATCHED), ALONE):
        (first,) = await family.submit("local/busy", {"n": 1})
        (late,) = await family.submit("local/busy", {"n": 0}, deadline=time.time() + SOON)
        (last,) = await family.submit("local/busy", {"n": 2})
        result = await family.result(late)
        (filling,) = await family.submit("local/busy", {"n": 3})  # the others wait for a full batch
        others = [await family.result(one) for one in (first, last, filling)]

    assert (Status.CANCELED, Means.INTERRUPTED, "deadline passed while it ran") == how_it_ended(result)
    assert [(Status.SUCCEEDED, 2, 0)] * 2 == [(one.status, one.attempt, one.charged) for one in others[:2]]
    resets = [entry.event for entry in await family.log(first) if isinstance(entry.event, Reset)]
    assert ["batch was canceled" in reset.reason for reset in resets] == [True]


async def test_what_is_overdue_when_it_is_delivered_never_runs(family: Family) -> None:
    submitted = await family.submit("local/busy", {"how": "never"}, start_by=time.time() - 1)
    submitted += await family.submit("local/busy", {"how": "never"}, deadline=time.time() - 1)

    async with family.serving(family.model(MODEL), ALONE):
        results = [await family.result(one) for one in submitted]
        (behind,) = await family.submit("local/busy", {"how": "quick"})
        assert await family.output(behind) == "quick"

    expected = (Status.CANCELED, Means.NOT_BEGUN, "deadline passed before it started")
    assert [expected] * 2 == [how_it_ended(one) for one in results]
    assert ["queued", "canceled"] == await family.kinds(submitted[0])
    assert [] == list(family.folder.glob("*.began-never"))


async def test_a_run_that_was_ended_from_outside_is_stopped(family: Family) -> None:
    async with family.serving(family.model(MODEL), replace(QUICK, cancel_grace=0.2)):
        (submitted,) = await family.submit("local/busy", {"how": "sleep"})
        await appears(family.folder, "*.began-sleep")
        await family.store.end(submitted, Canceled(time.time(), error="deadline passed while it ran"))
        (behind,) = await family.submit("local/busy", {"how": "quick"})
        async with asyncio.timeout(PATIENCE):
            assert await family.output(behind) == "quick"

    assert (Status.CANCELED, None, "deadline passed while it ran") == how_it_ended(await family.store.get(submitted))
    assert (0, 0, 0, 0) == await family.broker.depth("local/busy")


async def test_the_timeouts_of_a_model_are_on_its_card(family: Family) -> None:
    model = MODEL.replace("@model", "@model(queue_timeout=30, total_timeout=60.5)")

    async with family.serving(family.model(model), ALONE):
        (listing,) = await family.store.cards()

    assert (30.0, 60.5) == (listing.card.queue_timeout, listing.card.total_timeout)
