"""What becomes of a run when the store loses its data in the middle of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from leveret.config import WorkerSettings
from leveret.core.events import Started
from leveret.core.ports import Claimed
from leveret.core.prediction import Status
from tests.worker.arrange import GATED, QUICK, Apart, Family, let_go

pytestmark = pytest.mark.slow

NO_BEATS = replace(QUICK, lease=900.0, beat=300.0)
"""So that a worker finds out when it records the end of the run."""

STREAMING = """
@model
def streaming(gate: str, context: Context) -> Iterator[int]:
    Path(f"{gate}.began-{context.attempt}").touch()
    yield 1
    while not os.path.exists(f"{gate}.open-{context.attempt}"):
        time.sleep(0.002)
    yield 2
"""
EMPTY = (0, 0, 0, 0)


async def test_a_worker_makes_the_record_anew_and_the_run_goes_on(either: Family, tmp_path: Path) -> None:
    gate = str(tmp_path / "a")

    async with either.serving(either.model(GATED)) as worker:
        (submitted,) = await either.submit("local/gated", {"gate": gate})
        await either.reaches(submitted, "started")
        await either.lose_records()
        again = await either.known(submitted)
        let_go(gate)
        result = await either.result(submitted)

    assert (Status.PROCESSING, 1, worker.id) == (again.status, again.attempt, again.worker)
    assert (Status.SUCCEEDED, 1, b"1") == (result.status, result.attempt, bytes(result.output))
    assert ["queued", "started", "succeeded"] == await either.kinds(submitted)
    assert EMPTY == await either.broker.depth("local/gated")


async def test_a_result_is_recorded_though_the_record_is_gone(either: Family, tmp_path: Path) -> None:
    gates = [str(tmp_path / name) for name in "ab"]

    async with either.serving(either.model(GATED), replace(NO_BEATS, processes=2)) as worker:
        submitted = await either.submit("local/gated", *({"gate": gate} for gate in gates))
        for prediction_id in submitted:
            await either.reaches(prediction_id, "started")
        await either.lose_records()
        for gate in gates:
            let_go(gate)
        for prediction_id in submitted:
            await either.known(prediction_id)
        results = [await either.result(prediction_id) for prediction_id in submitted]

    assert {(Status.SUCCEEDED, 1, 0, worker.id)} == {
        (one.status, one.attempt, one.charged, one.worker) for one in results
    }
    assert ["a.began-1", "b.began-1"] == began(tmp_path)
    assert EMPTY == await either.broker.depth("local/gated")


@pytest.mark.parametrize("settings", [QUICK, NO_BEATS], ids=["stopped", "at its end"])
async def test_a_run_whose_streamed_output_is_lost_is_done_again(
    either: Family, tmp_path: Path, settings: WorkerSettings
) -> None:
    gate = str(tmp_path / "a")

    async with either.serving(either.model(STREAMING), settings):
        (submitted,) = await either.submit("local/streaming", {"gate": gate})
        await either.reaches(submitted, "output")
        await either.lose_records()
        if settings is NO_BEATS:
            let_go(gate)
        let_go(gate, attempt=2)
        await either.known(submitted)
        result = await either.result(submitted)

    assert (Status.SUCCEEDED, 2, 0) == (result.status, result.attempt, result.charged)
    assert [1, 2] == json.loads(bytes(result.output))
    assert EMPTY == await either.broker.depth("local/streaming")


async def test_what_another_worker_runs_since_the_record_was_lost_is_left_to_it(family: Family, tmp_path: Path) -> None:
    gate, target = str(tmp_path / "a"), family.model(GATED)

    async with family.serving(target, NO_BEATS):
        (submitted,) = await family.submit("local/gated", {"gate": gate})
        await family.reaches(submitted, "started")
        message = await family.store.get(submitted)
        await family.lose_records()
        (claim,) = await family.store.claim([replace(message, attempt=0)], worker="another", lease=60.0)
        let_go(gate)
    kept = await family.store.get(submitted)

    assert Claimed(1) == claim
    assert ("another", Status.PROCESSING) == (kept.worker, kept.status)


async def test_a_prediction_whose_claim_was_lost_is_not_forgotten(apart: Apart, tmp_path: Path) -> None:
    gate, target = str(tmp_path / "a"), apart.model(GATED)
    (submitted,) = await apart.submit("local/gated", {"gate": gate})

    async with Redis.from_url(apart.redis) as client:
        before = {key: await client.dump(key) or b"" for key in await client.keys(f"*{submitted}*")}
        async with apart.serving(target):
            await apart.reaches(submitted, "started")
            for key, value in before.items():
                await client.restore(key, 0, value, replace=True)
            let_go(gate)
            result = await apart.result(submitted)

    assert (Status.SUCCEEDED, 1) == (result.status, result.attempt)
    assert 1 == sum(isinstance(entry.event, Started) for entry in await apart.log(submitted))


def began(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("?.began-*"))
