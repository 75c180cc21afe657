"""What everyone may expect of a Store about the lines: how predictions wait and run, counted by what moves them."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import time

from msgspec.structs import replace

from leveret.core.events import Canceled, Failed, Why
from leveret.core.line import Line
from leveret.core.ports import Claimed, Store
from leveret.core.prediction import Means, Prediction, Priority
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    canceled,
    claimed,
    eventually,
    failed,
    fresh_id,
    reset,
    settle,
    succeeded,
)

MODEL = "local/echo"


async def line(store: Store, model: str = MODEL) -> Line:
    """The line of this model."""
    return (await store.lines())[model]


async def created(store: Store, count: int = 1, *, model: str = MODEL) -> list[Prediction]:
    """Predictions in lane 0, each of an account of its own."""
    return [await store.create(a_prediction(account=f"account-{fresh_id()}", model=model)) for _ in range(count)]


class LinesConformance:
    """Tickets and lines."""

    async def test_a_model_without_predictions_has_no_line(self, store: Store) -> None:
        await created(store)

        assert {MODEL} == (await store.lines()).keys()

    async def test_predictions_draw_tickets_in_their_order_lane_by_lane(self, store: Store) -> None:
        first, second = await created(store, 2)
        low = await store.create(replace(a_prediction(), priority=Priority.LOW))
        (other,) = await created(store, model="local/other")

        assert [(one.lane, one.ticket) for one in (first, second, low, other)] == [(0, 1), (0, 2), (2, 1), (0, 1)]
        assert second == await store.get(second.id)
        assert Line(entered=(2, 0, 1, 0)) == await line(store)
        assert (await line(store)).waiting == (2, 0, 1, 0)

    async def test_a_run_leaves_its_lane_and_ends_with_its_time(self, store: Store) -> None:
        first, _ = await created(store, 2)

        run = await claimed(store, first)
        running = await line(store)
        began = (await store.get(first.id)).started_at
        assert began is not None
        assert await settle(store, run, replace(succeeded(run), at=began + 2.5))
        ended = await line(store)

        assert (running.waiting, running.running) == ((1, 0, 0, 0), 1)
        assert (ended.waiting, ended.running, ended.ended) == ((1, 0, 0, 0), 0, 1)
        assert round(ended.seconds, 3) == 2.5
        assert first.ticket == (await store.get(first.id)).ticket

    async def test_what_runs_again_waits_again(self, store: Store) -> None:
        (prediction,) = await created(store)
        run = await claimed(store, prediction)

        assert await settle(store, run, reset(run))
        waiting = await line(store)
        run = await claimed(store, prediction)
        running = await line(store)
        assert await settle(store, run, failed(run))
        ended = await line(store)

        assert (waiting.waiting, waiting.running, waiting.ended) == ((1, 0, 0, 0), 0, 1)
        assert (running.waiting, running.running, running.ended) == ((0, 0, 0, 0), 1, 1)
        assert (ended.waiting, ended.running, ended.ended) == ((0, 0, 0, 0), 0, 2)

    async def test_what_ends_while_it_waits_leaves_without_a_run(self, store: Store) -> None:
        first, second, third, fourth = await created(store, 4)

        await store.cancel(first.id)
        assert await store.end(second.id, Canceled(at=time.time(), stopped=Means.NOT_BEGUN))
        assert await store.end(third.id, Failed(at=time.time(), error="no", dead=Why.UNDELIVERABLE))
        found = await line(store)

        assert (found.waiting, found.running, found.quit, found.ended) == ((1, 0, 0, 0), 0, 3, 0)
        assert fourth.ticket == 4

    async def test_a_run_that_is_ended_from_outside_has_ended(self, store: Store) -> None:
        (prediction,) = await created(store)
        await claimed(store, prediction)

        assert await store.end(prediction.id, canceled("no longer wanted"))
        found = await line(store)

        assert (found.running, found.ended, found.quit) == (0, 1, 0)

    async def test_what_is_repeated_counts_once(self, store: Store) -> None:
        (prediction,) = await created(store)
        await store.create(prediction)
        run = await claimed(store, prediction)
        await store.claim([prediction], worker="w1", lease=LONG)
        ending = succeeded(run)
        for _ in range(2):
            assert await settle(store, run, ending)
        await store.claim([prediction], worker="w2", lease=LONG)
        await store.end(prediction.id, canceled())
        found = await line(store)

        assert Line(entered=(1, 0, 0, 0), left=(1, 0, 0, 0), ended=1, seconds=found.seconds) == found

    async def test_a_run_whose_worker_was_lost_goes_on_as_one(self, store: Store) -> None:
        (prediction,) = await created(store)
        await claimed(store, prediction, lease=0.02)

        await claimed(store, prediction, worker="w2")
        found = await line(store)

        assert (found.waiting, found.running) == ((0, 0, 0, 0), 1)

    async def test_what_gets_no_other_run_has_ended(self, store: Store) -> None:
        (prediction,) = await created(store)
        await claimed(store, prediction, lease=0.02)

        async def refused() -> bool:
            (claim,) = await store.claim([prediction], worker="w2", lease=LONG, most=1)
            return isinstance(claim, Claimed) or (await store.get(prediction.id)).status.terminal

        await eventually(refused, bool)
        found = await line(store)

        assert (found.running, found.ended, found.waiting) == (0, 1, (0, 0, 0, 0))

    async def test_a_record_that_is_rebuilt_has_entered_its_lane(self, store: Store) -> None:
        run = await claimed(store, a_prediction(lane=3))
        running = await line(store)
        await settle(store, run, succeeded(run))
        found = await line(store)

        assert (running.waiting, running.running) == ((0, 0, 0, 0), 1)
        assert (found.entered, found.left, found.running) == ((0, 0, 0, 1), (0, 0, 0, 1), 0)
