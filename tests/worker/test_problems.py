"""What the registry shows of a worker whose model cannot be set up or is not healthy, with real processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from leveret.core.card import Listing
from leveret.core.prediction import Status
from leveret.worker.supervisor import Worker
from tests.worker.arrange import PATIENCE, QUICK, Family

pytestmark = pytest.mark.slow

FRAGILE = """
@model
class Fragile:
    def setup(self) -> None:
        if not Path(__file__).with_suffix(".fixed").exists():
            raise RuntimeError("no device")

    def predict(self, n: int) -> int:
        return n
"""
SICKLY = """
@model
class Sickly:
    def healthcheck(self) -> bool:
        if Path(__file__).with_suffix(".sick").exists():
            SICK
        return True

    def predict(self, n: int) -> int:
        return os.getpid()
"""


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    """The worker runs, ready or not; it is drained at the end."""
    async with asyncio.timeout(2 * PATIENCE), asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        yield
        worker.drain()


async def listed(family: Family, *, problems: int) -> Listing:
    """The only model, as soon as it is listed with so many problems."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await family.store.cards()) or len(found[0].problems) != problems:
            await asyncio.sleep(0.01)
    return found[0]


async def test_a_setup_that_fails_is_shown_with_the_schema_while_predictions_wait(family: Family) -> None:
    target = family.model(FRAGILE)

    async with running(family.worker(target)):
        broken = await listed(family, problems=1)
        (submitted,) = await family.submit("local/fragile", {"n": 1})
        await listed(family, problems=1)
        waiting = await family.store.get(submitted)
        depth = await family.broker.depth("local/fragile")
        Path(target).with_suffix(".fixed").touch()
        mended = await listed(family, problems=0)
        result = await family.result(submitted)

    assert ("local/fragile", 1) == (broken.card.model, broken.workers)
    assert ("the model could not be set up: RuntimeError: no device",) == broken.problems
    assert "n" in json.loads(bytes(broken.card.input_schema))["properties"]
    assert (Status.STARTING, 0, 1) == (waiting.status, waiting.attempt, sum(depth))
    assert (Status.SUCCEEDED, 1, 0) == (result.status, result.attempt, result.charged)
    assert (broken.card, 1) == (mended.card, mended.workers)


async def test_one_process_of_two_that_fails_keeps_its_worker_from_consuming(family: Family) -> None:
    target = family.model(FRAGILE.replace("if not", "if os.environ['CUDA_VISIBLE_DEVICES'] == '1' and not"))

    async with running(family.worker(target, replace(QUICK, processes=2, devices="0,1"))):
        broken = await listed(family, problems=1)
        (submitted,) = await family.submit("local/fragile", {"n": 1})
        await listed(family, problems=1)
        depth = await family.broker.depth("local/fragile")
        Path(target).with_suffix(".fixed").touch()
        await listed(family, problems=0)
        assert await family.output(submitted) == 1

    assert (1, 1) == (broken.workers, sum(depth))


@pytest.mark.parametrize(
    ("sick", "problem"),
    [
        ('raise RuntimeError("the device is gone")', "RuntimeError: the device is gone"),
        ("return False", "healthcheck() returned False"),
        ("os._exit(3)", "the model process ended with exit code 3"),
        ("time.sleep(3600)", "healthcheck() did not answer within worker.health_timeout (2 s)"),
    ],
)
async def test_a_model_that_is_not_healthy_takes_nothing_until_it_is(family: Family, sick: str, problem: str) -> None:
    target = family.model(SICKLY.replace("SICK", sick))
    settings = replace(QUICK, health_period=0.05, health_timeout=2.0, max_attempts=1)

    async with family.serving(target, settings):
        (first,) = await family.submit("local/sickly", {"n": 1})
        before = await family.output(first)
        Path(target).with_suffix(".sick").touch()
        broken = await listed(family, problems=1)
        (submitted,) = await family.submit("local/sickly", {"n": 1})
        await listed(family, problems=1)
        waiting = await family.store.get(submitted)
        Path(target).with_suffix(".sick").unlink()
        mended = await listed(family, problems=0)
        after = await family.result(submitted)

    assert (f"the model is not healthy: {problem}",) == broken.problems
    assert (broken.card, 1) == (mended.card, mended.workers)
    assert Status.STARTING is waiting.status
    assert (Status.SUCCEEDED, 0) == (after.status, after.charged)
    assert before != json.loads(bytes(after.output))
    assert (0, 0, 0, 0) == await family.broker.depth("local/sickly")


async def test_a_model_is_asked_for_its_health_before_it_takes_anything(family: Family) -> None:
    target = family.model(SICKLY.replace("SICK", "return False"))
    Path(target).with_suffix(".sick").touch()

    async with running(family.worker(target)):
        broken = await listed(family, problems=1)
        (submitted,) = await family.submit("local/sickly", {"n": 1})
        await listed(family, problems=1)
        Path(target).with_suffix(".sick").unlink()
        result = await family.result(submitted)

    assert ("the model is not healthy: healthcheck() returned False",) == broken.problems
    assert (Status.SUCCEEDED, 1) == (result.status, result.attempt)


async def test_a_worker_that_goes_takes_its_problem_along(family: Family) -> None:
    async with running(family.worker(family.model(FRAGILE))):
        await listed(family, problems=1)

    assert [(0, ())] == [(listing.workers, listing.problems) for listing in await family.store.cards()]


async def test_an_asynchronous_model_is_asked_for_its_health_too(family: Family) -> None:
    text = SICKLY.replace("@model", "@model(concurrency=2)").replace("def predict", "async def predict")
    target = family.model(text.replace("SICK", "return False"))
    sick = Path(target.partition(":")[0]).with_suffix(".sick")
    sick.touch()
    async with running(family.worker(target, QUICK)):
        (waits,) = await family.submit("local/sickly", {"n": 1})
        while not any("returned False" in problem for one in await family.store.cards() for problem in one.problems):
            await asyncio.sleep(0.01)
        assert Status.STARTING is (await family.store.get(waits)).status
        sick.unlink()
        assert Status.SUCCEEDED is (await family.result(waits)).status
