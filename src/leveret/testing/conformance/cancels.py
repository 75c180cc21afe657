"""What the gateway and the workers may expect of a Store when a prediction is canceled."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
import time
from typing import Final

import pytest
from msgspec.structs import replace

from leveret.core.events import Canceled, Reset, name
from leveret.core.ports import Claimed, Finished, Pulse, Running, Store
from leveret.core.prediction import Means, Status
from leveret.errors import PredictionNotFound
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    a_run,
    claimed,
    eventually,
    reset,
    settle,
    succeeded,
    whole_log,
)

SHORT: Final = 0.05


class CancelConformance:
    """cancel, and what it makes of beat, claim and settle."""

    async def test_what_waits_is_canceled_at_once_and_never_runs(self, store: Store) -> None:
        prediction = await store.create(a_prediction())

        assert await store.cancel(prediction.id) is None

        record = await store.get(prediction.id)
        assert (record.status, record.stopped, record.attempt) == (Status.CANCELED, Means.NOT_BEGUN, 0)
        assert await store.claim([prediction], worker="w1", lease=LONG) == [Finished()]
        assert [name(entry.event) for entry in await whole_log(store, prediction.id)] == ["queued", "canceled"]

    async def test_what_was_canceled_while_it_waited_is_no_longer_outstanding(self, store: Store) -> None:
        for _ in range(2):
            await store.cancel((await store.create(a_prediction())).id)

        assert (await store.create(a_prediction())).lane == 0

    async def test_what_was_reset_waits_and_is_canceled_at_once(self, store: Store) -> None:
        run = await a_run(store)
        await settle(store, run, reset(run))

        assert await store.cancel(run.id) is None

        record = await store.get(run.id)
        assert (record.status, record.stopped, record.attempt) == (Status.CANCELED, Means.NOT_BEGUN, 1)

    async def test_the_worker_of_what_runs_is_answered_and_the_run_goes_on(self, store: Store) -> None:
        run = await a_run(store, worker="w7")
        before = await store.get(run.id)

        assert await store.cancel(run.id) == "w7"
        assert await store.cancel(run.id) == "w7"

        assert await store.get(run.id) == before
        assert await settle(store, run, succeeded(run), worker="w7")
        assert (await store.get(run.id)).status is Status.SUCCEEDED

    async def test_what_has_ended_stays_as_it_is(self, store: Store) -> None:
        run = await a_run(store)
        await settle(store, run, succeeded(run))
        ended = await store.get(run.id)

        assert await store.cancel(run.id) is None

        assert await store.get(run.id) == ended
        assert len(await whole_log(store, run.id)) == 3

    async def test_what_does_not_exist_cannot_be_canceled(self, store: Store) -> None:
        with pytest.raises(PredictionNotFound):
            await store.cancel("nothing")

    async def test_every_beat_of_what_shall_be_canceled_says_so(self, store: Store) -> None:
        run, other = await a_run(store), await a_run(store)
        await store.cancel(run.id)

        for _ in range(2):
            assert await store.beat([other, run], worker="w1", lease=LONG) == [Pulse.OURS, Pulse.CANCEL]
        assert await store.beat([run], worker="w2", lease=LONG) == [Pulse.LOST]

    @pytest.mark.parametrize("how", Means)
    async def test_a_worker_says_how_it_has_stopped_a_run(self, store: Store, how: Means) -> None:
        run = await a_run(store)
        await store.cancel(run.id)

        assert await settle(store, run, Canceled(time.time(), run.attempt, stopped=how))

        record = await store.get(run.id)
        assert (record.status, record.stopped, record.error) == (Status.CANCELED, how, None)

    async def test_a_reset_run_that_shall_be_canceled_ends_at_its_next_claim(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        await store.cancel(run.id)
        await settle(store, run, reset(run))

        assert await store.claim([prediction], worker="w2", lease=LONG) == [Finished()]

        record = await store.get(run.id)
        assert (record.status, record.stopped, record.attempt) == (Status.CANCELED, Means.NOT_BEGUN, 1)
        kinds = [name(entry.event) for entry in await whole_log(store, run.id)]
        assert kinds == ["queued", "started", "reset", "canceled"]

    async def test_a_lost_run_that_shall_be_canceled_ends_at_its_next_claim(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction, lease=SHORT)
        await store.cancel(run.id)

        async def claim() -> object:
            (answer,) = await store.claim([prediction], worker="w2", lease=LONG)
            return answer

        await eventually(claim, lambda answer: answer == Finished())

        record = await store.get(run.id)
        assert (record.status, record.stopped, record.error) == (Status.CANCELED, None, "its worker was lost")
        assert not await settle(store, run, succeeded(run))

    async def test_a_repeated_claim_of_what_shall_be_canceled_is_still_its_workers(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        await store.cancel(run.id)

        assert await store.claim([prediction], worker="w1", lease=LONG) == [Claimed(1)]

    async def test_claims_beside_one_that_shall_be_canceled_are_not_touched(self, store: Store) -> None:
        canceled, other = await store.create(a_prediction()), await store.create(a_prediction())
        run = await claimed(store, canceled)
        await store.cancel(run.id)
        await settle(store, run, reset(run))

        assert await store.claim([other, canceled, other], worker="w1", lease=LONG) == [
            Claimed(1),
            Finished(),
            Claimed(1),
        ]

    async def test_a_cancel_and_a_claim_at_once_never_both_fail_to_see_each_other(self, store: Store) -> None:
        predictions = [await store.create(a_prediction(account=f"account-{number}")) for number in range(30)]

        answers = await asyncio.gather(
            *[asyncio.gather(store.cancel(one.id), store.claim([one], worker="w1", lease=LONG)) for one in predictions]
        )

        assert {(worker, claim) for worker, (claim,) in answers} <= {(None, Finished()), ("w1", Claimed(1))}

    async def test_of_a_cancel_and_a_finish_the_first_to_settle_stays(self, store: Store) -> None:
        run = await a_run(store)
        await store.cancel(run.id)
        await settle(store, run, succeeded(run))
        settled = await store.get(run.id)

        assert not await settle(store, run, Canceled(time.time(), run.attempt, stopped=Means.KILLED))

        assert await store.get(run.id) == settled

    async def test_a_cancel_outlives_any_number_of_resets_that_came_before(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        first = await claimed(store, prediction)
        await settle(store, first, reset(first))
        second = await claimed(store, prediction)
        await store.cancel(prediction.id)

        assert await store.beat([first, second], worker="w1", lease=LONG) == [Pulse.LOST, Pulse.CANCEL]
        assert await settle(store, second, replace(reset(second), charged=0))
        assert await store.claim([prediction], worker="w1", lease=LONG) == [Finished()]
        resets = [entry.event for entry in await whole_log(store, prediction.id) if isinstance(entry.event, Reset)]
        assert [event.charged for event in resets] == [1, 0]
        assert not await settle(store, Running(prediction.id, 2), succeeded(second))
