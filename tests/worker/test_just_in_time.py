"""No prediction waits in a busy worker while another one is idle, whatever the backends are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.worker.arrange import GATED, PATIENCE, Family, let_go

pytestmark = pytest.mark.slow

MODEL = "local/gated"


async def test_while_one_of_two_workers_is_busy_all_that_comes_goes_through_the_other(
    either: Family, tmp_path: Path
) -> None:
    family, target = either, either.model(GATED)
    one, two, *rest = [str(tmp_path / f"gate-{number}") for number in range(14)]

    async with family.serving(target), family.serving(target):
        long, brief = await family.submit(MODEL, {"gate": one}, {"gate": two})
        for prediction_id in (long, brief):
            await family.reaches(prediction_id, "started")
        waiting = await family.submit(MODEL, *({"gate": gate} for gate in rest))
        await all_wait_in_their_lanes(family, len(rest))

        for gate in (two, *rest):
            let_go(gate)
        results = [await family.result(prediction_id) for prediction_id in (brief, *waiting)]
        busy = await family.store.get(long)
        let_go(one)

    assert len({result.worker for result in results}) == 1
    assert busy.worker not in {result.worker for result in results}


async def test_a_batched_model_whose_window_is_open_leaves_nothing_in_a_busy_worker(
    either: Family, tmp_path: Path
) -> None:
    family = either
    target = family.model("""
@model(name="local/gated", batch=2, batch_window=0.2)
def gated(gates: list[str], contexts: list[Context]) -> list[int]:
    for gate in gates:
        Path(f"{gate}.began").touch()
    while not all(os.path.exists(f"{gate}.open-1") for gate in gates):
        time.sleep(0.002)
    return [len(gates)] * len(gates)
""")
    one, two, *rest = [str(tmp_path / f"gate-{number}") for number in range(12)]

    async with family.serving(target):
        (alone,) = await family.submit(MODEL, {"gates": one})
        await family.reaches(alone, "started")
        async with family.serving(target):
            waiting = await family.submit(MODEL, *({"gates": gate} for gate in (two, *rest)))
            for gate in rest:
                let_go(gate)
            let_go(two)
            results = [await family.result(prediction_id) for prediction_id in waiting]
            let_go(one)

    assert sum(1 / int(bytes(result.output)) for result in results) < len(results)  # some went together
    assert (await family.store.get(alone)).worker not in {result.worker for result in results}


async def all_wait_in_their_lanes(family: Family, count: int) -> None:
    """Wait until so many predictions stand there: one that a worker held would be missing."""
    async with asyncio.timeout(PATIENCE):
        while sum(await family.broker.depth(MODEL)) != count:
            await asyncio.sleep(0.01)
