"""The sweeper, on a real SQLite file: what a crash left behind is queued again, once, under the same id."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from msgspec import Raw

from leveret.config import SweeperSettings
from leveret.core.events import Succeeded, name
from leveret.core.ports import Claimed, Finished, Running
from leveret.core.prediction import Prediction, new_id
from leveret.sweeper import Sweeper
from tests.worker.arrange import Family, opened, take_one

MODEL = "local/echo"
NOW = SweeperSettings(outbox_age=0.001, hold=60.0)
SHORT = 0.001
"""A lease that has run out as soon as one looks."""


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Family]:
    async with opened(tmp_path) as family:
        await family.broker.declare(MODEL)
        yield family


def sweeper(family: Family, settings: SweeperSettings = NOW) -> Sweeper:
    return Sweeper(upkeep=family.store, broker=family.broker, settings=settings)


async def unconfirmed(family: Family) -> Prediction:
    """Recorded, as by a gateway that died before it published."""
    prediction = Prediction(id=new_id(time.time(), bytes(10)), model=MODEL, input=Raw(b"{}"), created_at=time.time())
    await family.store.create(prediction)
    await asyncio.sleep(0.002)  # it comes of age
    return prediction


async def lapsed(family: Family) -> Prediction:
    """Claimed by a worker that died, and its message gone."""
    prediction = await unconfirmed(family)
    await family.store.published([prediction.id])
    await family.store.claim([prediction], worker="dead", lease=SHORT)
    await asyncio.sleep(0.002)  # the lease runs out
    return prediction


async def test_an_unconfirmed_prediction_is_queued_and_confirmed(family: Family) -> None:
    prediction = await unconfirmed(family)

    assert 1 == await sweeper(family).sweep()

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        assert prediction.id == (await take_one(deliveries)).prediction.id
    assert [] == await family.store.unpublished(age=0.0, hold=0.0, limit=10)


async def test_one_that_is_young_is_left_to_its_gateway(family: Family) -> None:
    await unconfirmed(family)

    assert 0 == await sweeper(family, SweeperSettings()).sweep()


async def test_a_lapsed_run_gets_a_message_and_another_worker_takes_it(family: Family) -> None:
    prediction = await lapsed(family)

    assert 1 == await sweeper(family).sweep()

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        delivered = (await take_one(deliveries)).prediction
    assert [Claimed(2, charged=1)] == await family.store.claim([delivered], worker="other", lease=30.0)
    assert ["queued", "started", "reset", "started"] == await kinds(family, prediction, 4)


async def test_what_one_sweeper_has_taken_the_next_leaves_alone(family: Family) -> None:
    await lapsed(family)

    assert [1, 0] == [await sweeper(family).sweep(), await sweeper(family).sweep()]


async def test_a_run_that_shows_signs_of_life_or_has_ended_is_left_alone(family: Family) -> None:
    prediction = await unconfirmed(family)
    await family.store.published([prediction.id])
    await family.store.claim([prediction], worker="alive", lease=30.0)
    alive = await sweeper(family).sweep()
    run = Running(prediction.id, 1)
    await family.store.settle([(run, Succeeded(at=2.0, attempt=1, output=Raw(b"1")))], worker="alive")

    assert (0, 0) == (alive, await sweeper(family).sweep())
    assert [Finished()] == await family.store.claim([prediction], worker="other", lease=30.0)


async def kinds(family: Family, prediction: Prediction, count: int) -> list[str]:
    found: list[str] = []
    async with aclosing(family.store.follow(prediction.id)) as log:
        while len(found) < count:
            found.append(name((await anext(log)).event))
    return found
