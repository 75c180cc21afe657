"""The sweeper, on a real SQLite file: what a crash left behind is queued again, once, under the same id.

And what is past its deadline is ended.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from msgspec import Raw

from leveret import sweeper as sweeper_module
from leveret.backends.sqlite.broker import SqliteBroker
from leveret.config import SweeperSettings
from leveret.core.events import Reset, Succeeded, name
from leveret.core.ports import Claimed, Finished, Pulse, Running
from leveret.core.prediction import Means, Prediction, Status, new_id
from leveret.erasure import Erasure
from leveret.gateway.files.links import Links
from leveret.gateway.views import Views
from leveret.rejections import Rejections
from leveret.replies import Replies
from leveret.sweeper import Sweeper
from leveret.uploads import Uploads
from tests.worker.arrange import PATIENCE, Embedded, opened, take_one

MODEL = "local/echo"
NOW = SweeperSettings(outbox_age=0.001, hold=60.0)
SHORT = 0.001
"""A lease that has run out as soon as one looks."""


@pytest.fixture
async def family(tmp_path: Path) -> AsyncIterator[Embedded]:
    async with opened(tmp_path) as family:
        await family.broker.declare(MODEL)
        yield family


def sweeper(family: Embedded, settings: SweeperSettings = NOW, *, broker: SqliteBroker | None = None) -> Sweeper:
    asked, store = broker or family.broker, family.store
    return Sweeper(
        upkeep=store,
        broker=asked,
        rejections=Rejections(broker=asked, store=store),
        replies=Replies(broker=asked, store=store, show=shown(family), hold=60.0),
        uploads=Uploads(files=store, blobs=family.blobs, hold=settings.hold),
        erasure=Erasure(store=store, blobs=family.blobs),
        settings=settings,
    )


def shown(family: Embedded) -> Callable[[Prediction], Awaitable[bytes]]:
    links = Links(secrets=family.store, lifetime=60.0)
    return Views(blobs=family.blobs, links=links, base_url="").message


async def unconfirmed(family: Embedded) -> Prediction:
    """Recorded, as by a gateway that died before it published."""
    prediction = Prediction(id=new_id(time.time(), bytes(10)), model=MODEL, input=Raw(b"{}"), created_at=time.time())
    await family.store.create(prediction)
    await asyncio.sleep(0.002)  # it comes of age
    return prediction


async def lapsed(family: Embedded) -> Prediction:
    """Claimed by a worker that died, and its message gone."""
    prediction = await unconfirmed(family)
    await family.store.published([prediction.id])
    await family.store.claim([prediction], worker="dead", lease=SHORT)
    await asyncio.sleep(0.002)  # the lease runs out
    return prediction


async def test_an_unconfirmed_prediction_is_queued_and_confirmed(family: Embedded) -> None:
    prediction = await unconfirmed(family)

    assert 1 == await sweeper(family).sweep()

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        assert prediction.id == (await take_one(deliveries)).prediction.id
    assert [] == await family.store.unpublished(age=0.0, hold=0.0, limit=10)


async def test_one_that_is_young_is_left_to_its_gateway(family: Embedded) -> None:
    await unconfirmed(family)

    assert 0 == await sweeper(family, SweeperSettings()).sweep()


async def test_a_lapsed_run_gets_a_message_and_another_worker_takes_it(family: Embedded) -> None:
    prediction = await lapsed(family)

    assert 1 == await sweeper(family).sweep()

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        delivered = (await take_one(deliveries)).prediction
    assert [Claimed(2, charged=1)] == await family.store.claim([delivered], worker="other", lease=30.0)
    assert ["queued", "started", "reset", "started"] == await kinds(family, prediction, 4)


async def test_what_one_sweeper_has_taken_the_next_leaves_alone(family: Embedded) -> None:
    await lapsed(family)

    assert [1, 0] == [await sweeper(family).sweep(), await sweeper(family).sweep()]


async def test_a_run_that_shows_signs_of_life_or_has_ended_is_left_alone(family: Embedded) -> None:
    prediction = await unconfirmed(family)
    await family.store.published([prediction.id])
    await family.store.claim([prediction], worker="alive", lease=30.0)
    alive = await sweeper(family).sweep()
    run = Running(prediction.id, 1)
    await family.store.settle([(run, Succeeded(at=2.0, attempt=1, output=Raw(b"1")))], worker="alive")

    assert (0, 0) == (alive, await sweeper(family).sweep())
    assert [Finished()] == await family.store.claim([prediction], worker="other", lease=30.0)


@pytest.mark.parametrize(("start_by", "deadline"), [(-1.0, None), (None, -1.0), (-1.0, 60.0)])
async def test_what_waits_past_a_deadline_is_ended_even_while_the_broker_is_away(
    family: Embedded, start_by: float | None, deadline: float | None
) -> None:
    prediction = await bounded(family, start_by=start_by, deadline=deadline)

    await sweeper(family, broker=Away(family.database)).sweep()

    record = await family.store.get(prediction.id)
    assert (Status.CANCELED, "deadline passed before it started") == (record.status, record.error)
    assert Means.NOT_BEGUN is record.stopped
    assert ["queued", "canceled"] == await kinds(family, prediction, 2)
    assert 0 == await sweeper(family).sweep()


async def test_what_has_no_deadline_or_one_to_come_is_left_alone(family: Embedded) -> None:
    left = [await bounded(family, start_by=60.0, deadline=60.0), await bounded(family)]

    await sweeper(family, SweeperSettings()).sweep()

    assert [Status.STARTING] * 2 == [(await family.store.get(one.id)).status for one in left]


async def test_what_waits_for_its_next_run_past_its_deadline_is_ended(family: Embedded) -> None:
    prediction = await begun(family, deadline=0.5)
    await family.store.settle([(Running(prediction.id, 1), Reset(1.0, 1, "it crashed", charged=1))], worker="w1")
    await passed(prediction.deadline)

    await sweeper(family).sweep()

    record = await family.store.get(prediction.id)
    assert (Status.CANCELED, "deadline passed before it could run again") == (record.status, record.error)


async def test_a_run_past_its_deadline_is_left_to_its_worker_at_first(family: Embedded) -> None:
    prediction = await begun(family, deadline=0.5)
    await passed(prediction.deadline)

    await sweeper(family, SweeperSettings(head_start=60.0)).sweep()

    assert Status.PROCESSING is (await family.store.get(prediction.id)).status


async def test_a_run_past_its_deadline_is_ended_after_its_worker_had_a_head_start(family: Embedded) -> None:
    prediction = await begun(family, deadline=0.5)
    impatient = sweeper(family, SweeperSettings(head_start=0.3))
    async with asyncio.timeout(PATIENCE):
        while (record := await family.store.get(prediction.id)).status is Status.PROCESSING:
            await impatient.sweep()
            await asyncio.sleep(0.01)

    assert (Status.CANCELED, "deadline passed while it ran", None) == (record.status, record.error, record.stopped)
    assert prediction.deadline is not None
    assert record.completed_at is not None
    assert prediction.deadline + 0.3 <= record.completed_at
    late = Succeeded(at=2.0, attempt=1, output=Raw(b"1"))
    assert [Pulse.LOST] == await family.store.settle([(Running(prediction.id, 1), late)], worker="w1")


async def test_a_crowd_past_its_deadline_is_ended_by_one_sweep(
    family: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper_module, "LIMIT", 4)
    crowd = [await bounded(family, start_by=-1.0) for _ in range(10)]

    await sweeper(family).sweep()

    assert {Status.CANCELED} == {(await family.store.get(one.id)).status for one in crowd}


class Away(SqliteBroker):
    """The embedded broker while nothing can be published."""

    @property
    def accepting(self) -> bool:
        return False


async def bounded(family: Embedded, *, start_by: float | None = None, deadline: float | None = None) -> Prediction:
    """Recorded and published, with these deadlines in seconds from now."""
    now = time.time()
    prediction = Prediction(
        id=new_id(now, os.urandom(10)),
        model=MODEL,
        input=Raw(b"{}"),
        created_at=now,
        start_by=None if start_by is None else now + start_by,
        deadline=None if deadline is None else now + deadline,
    )
    await family.store.create(prediction)
    await family.store.published([prediction.id])
    return prediction


async def begun(family: Embedded, *, deadline: float) -> Prediction:
    """Claimed, in time, by a worker that shows signs of life and does nothing else."""
    while True:
        prediction = await bounded(family, deadline=deadline)
        if await family.store.claim([prediction], worker="w1", lease=60.0) == [Claimed(1)]:
            return prediction


async def passed(at: float | None) -> None:
    """Wait until that time has passed."""
    assert at is not None
    await asyncio.sleep(max(0.0, at - time.time()) + 0.001)


async def test_what_the_broker_has_given_up_becomes_a_dead_letter(family: Embedded) -> None:
    prediction = await unconfirmed(family)
    await sweeper(family).sweep()
    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        (await take_one(deliveries)).reject()

    assert 0 == await sweeper(family).sweep()

    assert prediction.id == (await family.store.letter(prediction.id)).id


async def kinds(family: Embedded, prediction: Prediction, count: int) -> list[str]:
    found: list[str] = []
    async with aclosing(family.store.follow(prediction.id)) as log:
        while len(found) < count:
            found.append(name((await anext(log)).event))
    return found
