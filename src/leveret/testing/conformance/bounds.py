"""What a worker may expect of a Store for what has failed to run: how often and when it runs again, and the suspect."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import time
from typing import Final

from msgspec.structs import replace

from leveret.core.events import Failed, Why, name
from leveret.core.ports import Busy, Claim, Claimed, Early, Finished, Store
from leveret.core.prediction import Prediction, Status
from leveret.core.retry import TOLERANCE
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    a_run,
    claimed,
    entries,
    eventually,
    reset,
    settle,
    succeeded,
    whole_log,
)

SHORT: Final = 0.05


class BoundConformance:
    """claim with `most`, the delay of a reset, and the suspect."""

    async def test_what_loses_its_last_worker_fails_and_never_runs_again(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        for worker in ("w1", "w2"):
            lost = await claimed(store, prediction, worker=worker, lease=SHORT, most=2)

        assert await _claims_at_last(store, prediction, most=2) == Finished()

        *before, last = [entry.event for entry in await whole_log(store, prediction.id)]
        assert [name(event) for event in before] == ["queued", "started", "reset", "started"]
        assert isinstance(last, Failed)
        error = "its worker was lost (attempt 2 of 2)"
        assert last == Failed(last.at, error, attempt=2, dead=Why.EXHAUSTED)
        record = await store.get(prediction.id)
        assert (record.status, record.error, record.attempt) == (Status.FAILED, error, 2)
        assert await store.claim([prediction], worker="w3", lease=LONG, most=9) == [Finished()]
        assert not await settle(store, lost, succeeded(lost), worker="w2")

    async def test_what_has_failed_so_is_no_longer_outstanding_and_lapses_no_more(self, store: Store) -> None:
        for _ in range(2):
            prediction = await store.create(a_prediction())
            await claimed(store, prediction, lease=SHORT)
            await _claims_at_last(store, prediction, most=1)

        assert (await store.create(a_prediction())).lane == 0
        assert await store.lapsed(hold=LONG, limit=10) == []

    async def test_what_waits_with_no_run_left_fails_at_its_claim(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        await settle(store, run, reset(run, charged=1))

        assert await store.claim([prediction], worker="w1", lease=LONG, most=1) == [Finished()]

        last = (await whole_log(store, prediction.id))[-1].event
        assert isinstance(last, Failed)
        assert last == Failed(last.at, "it may not run again (attempt 1 of 1)", attempt=1, dead=Why.EXHAUSTED)

    async def test_runs_that_were_not_charged_are_not_counted(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        for _ in range(3):
            run = await claimed(store, prediction)
            await settle(store, run, reset(run, charged=0))

        assert await store.claim([prediction], worker="w1", lease=LONG, most=1) == [Claimed(4)]

    async def test_a_run_that_goes_on_is_not_touched_by_the_bound(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        await settle(store, run, reset(run, charged=1))
        run = await claimed(store, prediction)

        assert await store.claim([prediction], worker="w1", lease=LONG, most=1) == [Claimed(2, charged=1)]
        assert await store.claim([prediction], worker="w2", lease=LONG, most=1) == [Busy()]
        assert await settle(store, run, succeeded(run))

    async def test_a_cancel_comes_before_the_bound(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        await store.cancel(run.id)
        await settle(store, run, reset(run, charged=1))

        assert await store.claim([prediction], worker="w1", lease=LONG, most=1) == [Finished()]

        assert (await store.get(run.id)).status is Status.CANCELED

    async def test_claims_beside_one_that_has_no_run_left_are_not_touched(self, store: Store) -> None:
        spent, other = await store.create(a_prediction()), await store.create(a_prediction())
        run = await claimed(store, spent)
        await settle(store, run, reset(run, charged=1))

        claims = await store.claim([other, spent, a_prediction(attempt=4)], worker="w1", lease=LONG, most=1)

        assert claims == [Claimed(1), Finished(), Claimed(5)]

    async def test_what_shall_run_again_later_is_not_claimed_before(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        await settle(store, run, replace(reset(run), delay=30.5))
        waiting = await store.get(run.id)

        (claim,) = await store.claim([prediction], worker="w2", lease=LONG)

        assert isinstance(claim, Early)
        assert 20 < claim.delay <= 30.5
        assert await store.get(run.id) == waiting
        await store.cancel(run.id)
        assert await store.claim([prediction], worker="w2", lease=LONG) == [Finished()]

    async def test_it_is_claimed_when_the_time_has_come(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        began = time.monotonic()
        await settle(store, run, replace(reset(run), delay=0.2))

        async def claim() -> Claim:
            (answer,) = await store.claim([prediction], worker="w1", lease=LONG)
            return answer

        assert await eventually(claim, lambda answer: not isinstance(answer, Early)) == Claimed(2, charged=1)
        assert time.monotonic() - began >= 0.2 - TOLERANCE - 0.01

    async def test_the_suspect_is_answered_until_another_one_is_named(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        for worker, suspect in (("w1", "w1"), ("w2", "w2")):
            run = await claimed(store, prediction, worker=worker)
            await settle(store, run, reset(run, suspect=suspect), worker=worker)
            run = await claimed(store, prediction, worker=worker)
            await settle(store, run, reset(run, "its worker was stopped"), worker=worker)

            claim = Claimed(run.attempt + 1, charged=1, suspect=suspect)
            assert await store.claim([prediction], worker="w3", lease=LONG) == [claim]
            assert await store.claim([prediction], worker="w3", lease=LONG) == [claim]
            record = await store.get(prediction.id)
            assert (record.suspect, record.worker, record.attempt) == (suspect, "w3", run.attempt + 1)
            third = replace(run, attempt=run.attempt + 1)
            await settle(store, third, reset(third), worker="w3")

    async def test_the_suspect_outlives_a_lost_worker(self, store: Store) -> None:
        run = await a_run(store)
        await settle(store, run, reset(run, suspect="w1"))
        prediction = await store.get(run.id)
        await claimed(store, prediction, worker="w2", lease=SHORT)

        await claimed(store, prediction, worker="w3")

        assert await store.claim([prediction], worker="w3", lease=LONG) == [Claimed(3, charged=2, suspect="w1")]
        assert [name(entry.event) for entry in await entries(store, run.id, 6)][2:] == [
            "reset",
            "started",
            "reset",
            "started",
        ]


async def _claims_at_last(store: Store, prediction: Prediction, *, most: int) -> Claim:
    """What another worker's claim is answered as soon as the lease has lapsed."""

    async def claim() -> Claim:
        (answer,) = await store.claim([prediction], worker="undertaker", lease=LONG, most=most)
        return answer

    return await eventually(claim, lambda answer: answer != Busy())
