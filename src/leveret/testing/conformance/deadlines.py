"""What the workers and the sweeper may expect of a Store when a deadline passes: claim and overdue."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
import time
from typing import Final

import pytest
from msgspec.structs import replace

from leveret.core import deadlines, wire
from leveret.core.events import Canceled, name
from leveret.core.ports import Claimed, Finished, Pulse, Running, Store
from leveret.core.prediction import Means, Prediction, Status
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    canceled,
    eventually,
    reset,
    settle,
    succeeded,
    whole_log,
)

SHORT: Final = 0.05


class DeadlineConformance:
    """claim and overdue of predictions that have a deadline."""

    @pytest.mark.parametrize(("start_by", "deadline"), [(-1.0, None), (None, -1.0), (-1.0, LONG), (LONG, -1.0)])
    async def test_what_is_overdue_before_its_first_run_ends_instead(
        self, store: Store, start_by: float | None, deadline: float | None
    ) -> None:
        prediction = await store.create(bounded(start_by=start_by, deadline=deadline))

        assert await store.claim([prediction], worker="w1", lease=LONG) == [Finished()]

        record = await store.get(prediction.id)
        assert (record.status, record.stopped, record.attempt) == (Status.CANCELED, Means.NOT_BEGUN, 0)
        assert record.error == "deadline passed before it started"
        assert [name(entry.event) for entry in await whole_log(store, prediction.id)] == ["queued", "canceled"]
        assert await store.claim([prediction], worker="w1", lease=LONG) == [Finished()]
        assert await store.unpublished(age=0, hold=LONG, limit=10) == []

    @pytest.mark.parametrize(("start_by", "deadline"), [(LONG, None), (None, LONG), (LONG, 2 * LONG), (2 * LONG, LONG)])
    async def test_what_is_not_yet_overdue_is_claimed(
        self, store: Store, start_by: float | None, deadline: float | None
    ) -> None:
        prediction = await store.create(bounded(start_by=start_by, deadline=deadline))

        assert await store.claim([prediction], worker="w1", lease=LONG) == [Claimed(1)]
        assert (await store.get(prediction.id)).deadline == prediction.deadline

    async def test_an_overdue_record_that_was_rebuilt_from_its_message_ends_as_well(self, store: Store) -> None:
        message = bounded(start_by=-1.0, deadline=LONG)

        assert await store.claim([message], worker="w1", lease=LONG) == [Finished()]

        assert (await store.get(message.id)).status is Status.CANCELED
        assert await store.overdue(hold=0, limit=10) == []

    async def test_the_start_counts_only_for_the_first_run(self, store: Store) -> None:
        prediction, run = await a_first_run(store, start_by=SHORT, deadline=LONG)
        await settle(store, run, reset(run))
        await passed(prediction.start_by)

        assert await store.claim([prediction], worker="w2", lease=LONG) == [Claimed(2, charged=1)]

    async def test_a_message_of_what_has_run_does_not_ask_for_the_start_again(self, store: Store) -> None:
        message = replace(bounded(start_by=-1.0, deadline=LONG), attempt=2)

        assert await store.claim([message], worker="w1", lease=LONG) == [Claimed(3)]

    async def test_what_is_overdue_before_its_next_run_ends_instead(self, store: Store) -> None:
        prediction, run = await a_first_run(store, deadline=SHORT)
        await settle(store, run, reset(run))
        await passed(prediction.deadline)

        assert await store.claim([prediction], worker="w2", lease=LONG) == [Finished()]

        record = await store.get(prediction.id)
        assert (record.status, record.stopped, record.attempt) == (Status.CANCELED, Means.NOT_BEGUN, 1)
        assert record.error == "deadline passed before it could run again"

    async def test_a_lost_run_that_is_overdue_ends_at_its_next_claim(self, store: Store) -> None:
        prediction, run = await a_first_run(store, deadline=SHORT, lease=SHORT)
        await passed(prediction.deadline)

        async def claim() -> object:
            (answer,) = await store.claim([prediction], worker="w2", lease=LONG)
            return answer

        await eventually(claim, lambda answer: answer == Finished())

        record = await store.get(prediction.id)
        assert (record.status, record.stopped, record.error) == (Status.CANCELED, None, "deadline passed while it ran")
        assert not await settle(store, run, succeeded(run))

    async def test_a_run_that_goes_on_is_for_its_worker_to_end(self, store: Store) -> None:
        prediction, run = await a_first_run(store, deadline=SHORT)
        await passed(prediction.deadline)

        assert await store.claim([prediction], worker="w1", lease=LONG) == [Claimed(1)]
        assert await store.beat([run], worker="w1", lease=LONG) == [Pulse.OURS]
        ending = Canceled(time.time(), run.attempt, error="deadline passed while it ran", stopped=Means.TERMINATED)
        assert await settle(store, run, ending)

        record = await store.get(prediction.id)
        assert (record.status, record.stopped, record.error) == (
            Status.CANCELED,
            Means.TERMINATED,
            "deadline passed while it ran",
        )

    async def test_a_cancel_that_was_requested_first_is_what_ends_it(self, store: Store) -> None:
        prediction, run = await a_first_run(store, deadline=SHORT)
        await store.cancel(prediction.id)
        await settle(store, run, reset(run))
        await passed(prediction.deadline)

        assert await store.claim([prediction], worker="w2", lease=LONG) == [Finished()]

        assert (await store.get(prediction.id)).error is None

    async def test_claims_beside_an_overdue_one_are_not_touched(self, store: Store) -> None:
        late = await store.create(bounded(start_by=-1.0))
        others = [await store.create(a_prediction(account="bob")) for _ in range(2)]

        claims = await store.claim([others[0], late, others[1]], worker="w1", lease=LONG)

        assert claims == [Claimed(1), Finished(), Claimed(1)]

    async def test_what_ended_overdue_is_no_longer_outstanding(self, store: Store) -> None:
        for _ in range(2):
            await store.claim([await store.create(bounded(start_by=-1.0))], worker="w1", lease=LONG)

        assert (await store.create(a_prediction())).lane == 0


class OverdueConformance:
    """overdue."""

    async def test_what_has_no_deadline_or_one_to_come_is_not_overdue(self, store: Store) -> None:
        await store.create(a_prediction())
        await store.create(bounded(start_by=LONG, deadline=LONG))
        await a_first_run(store, start_by=LONG, deadline=LONG)

        assert await store.overdue(hold=0, limit=10) == []

    async def test_what_waits_past_either_deadline_is_overdue(self, store: Store) -> None:
        late = [
            await store.create(bounded(start_by=start_by, deadline=deadline))
            for start_by, deadline in [(-2.0, None), (None, -2.0), (-2.0, LONG), (LONG, -2.0)]
        ]

        found = await store.overdue(hold=LONG, limit=10)

        assert sorted(found, key=_by_id) == sorted(late, key=_by_id)
        assert all(deadlines.overdue(prediction, time.time()) for prediction in found)

    async def test_it_becomes_overdue_when_its_time_has_come(self, store: Store) -> None:
        prediction = await store.create(bounded(start_by=SHORT))

        found = await eventually(lambda: store.overdue(hold=LONG, limit=10), bool)

        assert found == [prediction]
        assert prediction.start_by is not None
        assert time.time() >= prediction.start_by

    async def test_a_run_has_met_the_start_and_is_overdue_by_its_deadline(self, store: Store) -> None:
        await a_first_run(store, start_by=SHORT)
        limited, _ = await a_first_run(store, start_by=SHORT, deadline=2 * SHORT)
        later, _ = await a_first_run(store, start_by=SHORT, deadline=LONG)
        await passed(later.start_by)

        (found,) = await eventually(lambda: store.overdue(hold=LONG, limit=10), bool)

        assert (found.id, found.status, found.attempt) == (limited.id, Status.PROCESSING, 1)
        assert deadlines.overdue(found, time.time()) is not None

    async def test_what_waits_for_its_next_run_is_overdue_by_its_deadline(self, store: Store) -> None:
        prediction, run = await a_first_run(store, start_by=SHORT, deadline=2 * SHORT)
        await settle(store, run, reset(run))

        (found,) = await eventually(lambda: store.overdue(hold=LONG, limit=10), bool)

        assert wire.decode(wire.encode(found)) == replace(prediction, attempt=1, charged=1, ticket=0)

    async def test_what_was_found_overdue_is_held_and_found_again_until_it_ends(self, store: Store) -> None:
        prediction = await store.create(bounded(start_by=-1.0))
        assert await store.overdue(hold=LONG, limit=10) == [prediction]
        assert await store.overdue(hold=LONG, limit=10) == []
        other = await store.create(bounded(start_by=-1.0))
        assert await store.overdue(hold=SHORT, limit=10) == [other]

        found = await eventually(lambda: store.overdue(hold=0, limit=10), bool)

        assert found == [other]
        assert await store.end(other.id, canceled())
        assert await store.overdue(hold=0, limit=10) == []

    async def test_overdue_answers_no_more_than_its_limit_and_never_the_same_to_two(self, store: Store) -> None:
        late = [await store.create(bounded(start_by=-1.0)) for _ in range(5)]

        pages = await asyncio.gather(*[store.overdue(hold=LONG, limit=2) for _ in range(4)])

        assert sorted(len(page) for page in pages) == [0, 1, 2, 2]
        assert {prediction.id for page in pages for prediction in page} == {prediction.id for prediction in late}

    async def test_however_it_ends_it_is_not_overdue(self, store: Store) -> None:
        runs = [(await a_first_run(store, start_by=SHORT, deadline=SHORT))[1] for _ in range(3)]
        await settle(store, runs[0], succeeded(runs[0]))
        await settle(store, runs[1], Canceled(time.time(), 1, stopped=Means.KILLED))
        await store.end(runs[2].id, canceled("deadline passed while it ran"))
        waiting = await store.create(bounded(start_by=SHORT, deadline=SHORT))
        await store.cancel(waiting.id)
        canary = await store.create(bounded(start_by=SHORT))

        found = await eventually(lambda: store.overdue(hold=0, limit=10), bool)

        assert [prediction.id for prediction in found] == [canary.id]


def bounded(*, start_by: float | None = None, deadline: float | None = None) -> Prediction:
    """A prediction with these deadlines, in seconds from now."""
    now = time.time()
    return replace(
        a_prediction(),
        start_by=None if start_by is None else now + start_by,
        deadline=None if deadline is None else now + deadline,
    )


async def a_first_run(
    store: Store, *, start_by: float | None = None, deadline: float | None = None, lease: float = LONG
) -> tuple[Prediction, Running]:
    """A prediction whose first run begins in time, and that run."""
    while True:
        prediction = await store.create(bounded(start_by=start_by, deadline=deadline))
        (claim,) = await store.claim([prediction], worker="w1", lease=lease)
        if isinstance(claim, Claimed):  # otherwise the machine was too slow
            return prediction, Running(prediction.id, claim.attempt)


async def passed(at: float | None) -> None:
    """Wait until that time has passed."""
    assert at is not None
    while time.time() <= at:  # noqa: ASYNC110 - time is what it waits for
        await asyncio.sleep(0.01)


def _by_id(prediction: Prediction) -> str:
    return prediction.id
