"""What a worker may expect of a Store when it claims."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from msgspec.structs import replace

from leveret.core.events import Ending, Queued, Reset, Started, name
from leveret.core.lanes import lane_for
from leveret.core.lifecycle import fold
from leveret.core.ports import Busy, Claimed, Finished, Running, Store
from leveret.core.prediction import Status
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    a_run,
    beat,
    canceled,
    claimed,
    entries,
    failed,
    reset,
    settle,
    succeeded,
    unnumbered,
    whole_log,
)

SHORT: Final = 0.05
ENDINGS: Final = [succeeded(Running("", 1)), failed(Running("", 1)), replace(canceled(), attempt=1)]


class ClaimConformance:
    """claim."""

    async def test_a_queued_prediction_is_claimed(self, store: Store) -> None:
        prediction = await store.create(a_prediction())

        claims = await store.claim([prediction], worker="w1", lease=LONG)

        assert claims == [Claimed(1)]
        _, started = [entry.event for entry in await entries(store, prediction.id, 2)]
        assert isinstance(started, Started)
        assert (started.attempt, started.worker) == (1, "w1")
        assert await store.get(prediction.id) == replace(
            prediction, status=Status.PROCESSING, attempt=1, worker="w1", started_at=started.at
        )

    async def test_claiming_nothing_answers_nothing(self, store: Store) -> None:
        assert await store.claim([], worker="w1", lease=LONG) == []

    async def test_only_one_of_many_workers_gets_a_prediction(self, store: Store) -> None:
        prediction = await store.create(a_prediction())

        answers = await asyncio.gather(
            *[store.claim([prediction], worker=f"w{number}", lease=LONG) for number in range(20)]
        )

        claims = [claim for (claim,) in answers]
        assert claims.count(Claimed(1)) == 1
        assert claims.count(Busy()) == 19

    @pytest.mark.parametrize("ending", ENDINGS, ids=name)
    async def test_what_has_ended_is_finished(self, store: Store, ending: Ending) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        await settle(store, run, ending)
        ended = await store.get(prediction.id)

        assert await store.claim([prediction], worker="w2", lease=LONG) == [Finished()]
        assert await store.claim([prediction], worker="w1", lease=LONG) == [Finished()]

        assert await store.get(prediction.id) == ended
        assert len(await whole_log(store, prediction.id)) == 3

    async def test_a_message_that_names_another_model_than_its_record_claims_nothing(self, store: Store) -> None:
        queued, run = await store.create(a_prediction()), await a_run(store)
        other = replace(queued, model="acme/ocr")

        assert await store.claim([other], worker="w1", lease=LONG) == [Finished()]
        assert await store.claim([replace(other, id=run.id)], worker="w1", lease=LONG) == [Finished()]

        assert await store.get(queued.id) == queued
        assert await store.claim([queued], worker="w1", lease=LONG) == [Claimed(1)]
        assert await store.models([queued.id, "nothing", run.id]) == ["local/echo", None, "local/echo"]
        assert await store.models([]) == []

    async def test_what_was_canceled_in_the_queue_is_finished(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        await store.end(prediction.id, canceled())

        assert await store.claim([prediction], worker="w1", lease=LONG) == [Finished()]

    async def test_what_a_living_worker_runs_is_busy(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction, worker="w1")

        assert await store.claim([prediction], worker="w2", lease=LONG) == [Busy()]

        assert await beat(store, run, worker="w1")

    async def test_a_repeated_claim_of_the_same_worker_answers_the_same(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        await store.claim([prediction], worker="w1", lease=LONG)

        assert await store.claim([prediction], worker="w1", lease=LONG) == [Claimed(1)]

        await store.end(prediction.id, canceled())
        assert len(await whole_log(store, prediction.id)) == 3

    async def test_a_lost_worker_is_replaced(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        await claimed(store, prediction, worker="w1", lease=SHORT)

        run = await claimed(store, prediction, worker="w2")

        assert run.attempt == 2
        _, first, lost, second = [entry.event for entry in await entries(store, prediction.id, 4)]
        assert isinstance(first, Started)
        assert isinstance(lost, Reset)
        assert isinstance(second, Started)
        assert (first.attempt, first.worker) == (1, "w1")
        assert (lost.attempt, lost.reason) == (1, "its worker was lost")
        assert (second.attempt, second.worker) == (2, "w2")
        assert await store.get(prediction.id) == replace(
            prediction, status=Status.PROCESSING, attempt=2, charged=1, worker="w2", started_at=second.at
        )

    async def test_a_lost_worker_that_comes_back_is_refused(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        lost = await claimed(store, prediction, worker="w1", lease=SHORT)
        run = await claimed(store, prediction, worker="w2")

        assert not await beat(store, lost, worker="w1")
        assert not await settle(store, lost, succeeded(lost), worker="w1")
        assert await settle(store, run, succeeded(run), worker="w2")

    async def test_a_worker_can_replace_its_own_lost_run(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        await claimed(store, prediction, worker="w1", lease=SHORT)
        await _lapse(store)

        assert await store.claim([prediction], worker="w1", lease=LONG) == [Claimed(2, charged=1)]

    async def test_a_run_is_its_workers_until_another_one_claims_it(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction, worker="w1", lease=SHORT)
        await _lapse(store)

        assert await beat(store, run, worker="w1")
        assert await store.claim([prediction], worker="w2", lease=LONG) == [Busy()]
        assert await settle(store, run, succeeded(run), worker="w1")

    async def test_a_beat_keeps_the_lease(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction, worker="w1", lease=SHORT)

        assert await beat(store, run, worker="w1", lease=LONG)

        await _lapse(store)
        assert await store.claim([prediction], worker="w2", lease=LONG) == [Busy()]

    async def test_what_was_reset_is_claimed_as_the_next_attempt(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        for attempt in (1, 2, 3):
            run = await claimed(store, prediction, worker=f"w{attempt}")
            assert run.attempt == attempt
            assert await settle(store, run, reset(run, charged=attempt // 2), worker=f"w{attempt}")

        assert await store.claim([prediction], worker="w1", lease=LONG) == [Claimed(4, charged=1)]

    async def test_a_missing_record_is_rebuilt_from_the_message(self, store: Store) -> None:
        message = a_prediction(lane=2)

        claims = await store.claim([message], worker="w1", lease=LONG)

        assert claims == [Claimed(1)]
        queued, started = [entry.event for entry in await entries(store, message.id, 2)]
        assert isinstance(queued, Queued)
        assert isinstance(started, Started)
        rebuilt = await store.get(message.id)
        assert unnumbered(rebuilt) == fold(message, [queued, started])
        assert rebuilt.lane == 2

    async def test_a_rebuilt_record_goes_on_with_the_attempts_of_the_message(self, store: Store) -> None:
        message = replace(a_prediction(attempt=2), charged=1)

        assert await store.claim([message], worker="w1", lease=LONG) == [Claimed(3, charged=1)]

        rebuilt = await store.get(message.id)
        assert (rebuilt.attempt, rebuilt.charged) == (3, 1)
        assert await settle(store, Running(message.id, 3), succeeded(Running(message.id, 3)))

    async def test_a_rebuilt_record_is_outstanding_until_it_ends(self, store: Store) -> None:
        runs = [await claimed(store, a_prediction()) for _ in range(2)]
        assert (await store.create(a_prediction())).lane == lane_for(2)

        for run in runs:
            await settle(store, run, succeeded(run))

        assert (await store.create(a_prediction())).lane == lane_for(1)

    async def test_what_is_charged_adds_up_over_lost_workers_and_resets(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        first = await claimed(store, prediction)
        await settle(store, first, reset(first, charged=1))
        await claimed(store, prediction, worker="w1", lease=SHORT)
        third = await claimed(store, prediction, worker="w2")

        assert await store.claim([prediction], worker="w2", lease=LONG) == [Claimed(3, charged=2)]
        assert (await store.get(prediction.id)).charged == 2
        await settle(store, third, reset(third, charged=2), worker="w2")
        assert await store.claim([prediction], worker="w1", lease=LONG) == [Claimed(4, charged=2)]

    async def test_claims_are_answered_in_their_order(self, store: Store) -> None:
        ended = await store.create(a_prediction())
        await store.end(ended.id, canceled())
        busy = await store.create(a_prediction())
        await claimed(store, busy, worker="w2")
        queued = await store.create(a_prediction())
        missing = a_prediction(attempt=4)

        claims = await store.claim([ended, busy, queued, missing], worker="w1", lease=LONG)

        assert claims == [Finished(), Busy(), Claimed(1), Claimed(5)]


async def _lapse(store: Store) -> None:
    """Wait until a lease of SHORT that begins now has lapsed, and so every one that began before."""
    run = await a_run(store, worker="canary", lease=SHORT)
    prediction = await store.get(run.id)
    await claimed(store, prediction, worker="undertaker")
