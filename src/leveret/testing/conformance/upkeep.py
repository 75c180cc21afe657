"""What the sweeper may expect of a Store: unpublished, published, lapsed, unbegun, and waiting where it is apart."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
import time

from msgspec.structs import replace

from leveret.core import wire
from leveret.core.ports import Busy, Claimed, Store, Waiting
from leveret.core.prediction import Prediction
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    a_run,
    beat,
    canceled,
    claimed,
    eventually,
    reset,
    settle,
    succeeded,
)

SHORT = 0.05


class UpkeepConformance:
    """unpublished, published and lapsed."""

    async def test_what_was_created_and_not_confirmed_is_unpublished(self, store: Store) -> None:
        created = [await store.create(a_prediction()) for _ in range(3)]

        found = await store.unpublished(age=0, hold=LONG, limit=10)

        assert sorted(found, key=_by_id) == sorted(created, key=_by_id)
        assert {prediction.lane for prediction in found} == {0, 1}

    async def test_what_was_confirmed_is_not_unpublished(self, store: Store) -> None:
        created = [await store.create(a_prediction()) for _ in range(3)]

        await store.published([created[0].id, created[2].id, "nothing"])
        await store.published([])

        assert await store.unpublished(age=0, hold=LONG, limit=10) == [created[1]]

    async def test_what_is_young_is_left_alone(self, store: Store) -> None:
        old = await store.create(replace(a_prediction(), created_at=time.time() - 100))
        await store.create(a_prediction())

        assert await store.unpublished(age=50, hold=LONG, limit=10) == [old]

    async def test_what_is_young_becomes_old(self, store: Store) -> None:
        created = await store.create(a_prediction())

        found = await eventually(lambda: store.unpublished(age=SHORT, hold=LONG, limit=10), bool)

        assert found == [created]

    async def test_what_was_answered_is_held(self, store: Store) -> None:
        created = await store.create(replace(a_prediction(), created_at=time.time() - 100))

        assert await store.unpublished(age=50, hold=LONG, limit=10) == [created]

        assert await store.unpublished(age=50, hold=LONG, limit=10) == []

    async def test_what_was_held_is_answered_again_until_it_is_confirmed(self, store: Store) -> None:
        created = await store.create(replace(a_prediction(), created_at=time.time() - 100))
        assert await store.unpublished(age=50, hold=SHORT, limit=10) == [created]

        found = await eventually(lambda: store.unpublished(age=50, hold=SHORT, limit=10), bool)

        assert found == [created]

    async def test_unpublished_answers_no_more_than_its_limit(self, store: Store) -> None:
        created = [await store.create(a_prediction()) for _ in range(5)]

        pages = [await store.unpublished(age=0, hold=LONG, limit=2) for _ in range(4)]

        assert [len(page) for page in pages] == [2, 2, 1, 0]
        assert {prediction.id for page in pages for prediction in page} == {prediction.id for prediction in created}

    async def test_several_sweepers_never_get_the_same(self, store: Store) -> None:
        created = [await store.create(a_prediction()) for _ in range(20)]

        pages = await asyncio.gather(*[store.unpublished(age=0, hold=LONG, limit=7) for _ in range(6)])

        found = [prediction.id for page in pages for prediction in page]
        assert sorted(found) == sorted(prediction.id for prediction in created)

    async def test_the_outbox_is_as_large_and_as_old_as_what_is_not_known_to_be_queued(self, store: Store) -> None:
        empty = await store.outbox()
        first, second = [await store.create(a_prediction()) for _ in range(2)]
        filled = await store.outbox()
        await store.published([first.id])
        later = await eventually(store.outbox, lambda found: found.age > filled.age)
        await store.published([second.id])

        assert (empty.count, empty.age) == (0, 0.0)
        assert (filled.count, later.count) == (2, 1)
        assert 0 <= filled.age < LONG
        assert empty == await store.outbox()

    async def test_what_has_ended_needs_no_publishing(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        await store.end(prediction.id, canceled())

        assert await store.unpublished(age=0, hold=LONG, limit=10) == []

    async def test_what_was_claimed_was_evidently_published(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)

        assert await store.unpublished(age=0, hold=LONG, limit=10) == []

        await settle(store, run, reset(run))
        assert await store.unpublished(age=0, hold=LONG, limit=10) == []

    async def test_what_was_rebuilt_from_a_message_was_evidently_published(self, store: Store) -> None:
        await claimed(store, a_prediction())

        assert await store.unpublished(age=0, hold=LONG, limit=10) == []


class LapsedConformance:
    """lapsed."""

    async def test_a_run_whose_lease_has_expired_is_lapsed(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        await claimed(store, prediction, lease=SHORT)
        await a_run(store, lease=LONG)

        found = await eventually(lambda: store.lapsed(hold=LONG, limit=10), bool)

        assert [wire.decode(wire.encode(lapsed)) for lapsed in found] == [replace(prediction, attempt=1, ticket=0)]

    async def test_what_was_lapsed_is_held_and_can_be_claimed_all_the_same(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        await claimed(store, prediction, worker="w1", lease=SHORT)
        await eventually(lambda: store.lapsed(hold=LONG, limit=10), bool)

        assert await store.lapsed(hold=LONG, limit=10) == []

        assert await store.claim([prediction], worker="w2", lease=LONG) == [Claimed(2, charged=1)]
        assert await store.claim([prediction], worker="w3", lease=LONG) == [Busy()]

    async def test_what_was_held_is_lapsed_again_until_it_is_claimed(self, store: Store) -> None:
        run = await a_run(store, lease=SHORT)
        await eventually(lambda: store.lapsed(hold=SHORT, limit=10), bool)

        (found,) = await eventually(lambda: store.lapsed(hold=SHORT, limit=10), bool)

        assert found.id == run.id

    async def test_the_next_run_lapses_by_its_own_lease(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        await claimed(store, prediction, worker="w1", lease=SHORT)
        await eventually(lambda: store.lapsed(hold=LONG, limit=10), bool)
        await claimed(store, prediction, worker="w2", lease=SHORT)

        (found,) = await eventually(lambda: store.lapsed(hold=LONG, limit=10), bool)

        assert (found.id, found.attempt) == (prediction.id, 2)

    async def test_lapsed_answers_no_more_than_its_limit(self, store: Store) -> None:
        runs = [await a_run(store, lease=SHORT) for _ in range(5)]
        await claimed(store, await store.get(runs[-1].id), worker="w2")  # the latest lease has expired, so all have

        pages = [await store.lapsed(hold=LONG, limit=3) for _ in range(3)]

        assert [len(page) for page in pages] == [3, 1, 0]

    async def test_what_beats_or_has_ended_does_not_lapse(self, store: Store) -> None:
        beaten, settled, given_back, ended, lost = [await a_run(store, lease=SHORT) for _ in range(5)]
        await beat(store, beaten, lease=LONG)
        await settle(store, settled, succeeded(settled))
        await settle(store, given_back, reset(given_back))
        await store.end(ended.id, canceled())

        found = await eventually(lambda: store.lapsed(hold=LONG, limit=10), bool)

        assert [lapsed.id for lapsed in found] == [lost.id]


class UnbegunConformance:
    """unbegun."""

    async def test_unbegun_is_what_has_neither_begun_nor_ended(self, store: Store) -> None:
        waits, ended = [await store.create(a_prediction()) for _ in range(2)]
        runs, again = [await a_run(store) for _ in range(2)]
        await store.end(ended.id, canceled())
        await settle(store, again, reset(again))

        found = await store.unbegun([waits.id, ended.id, runs.id, again.id, "nothing"])

        assert [one.id for one in found] == [waits.id, again.id]
        assert found[0] == waits
        assert await store.unbegun([]) == []


class WaitingConformance:
    """waiting: for a Store whose queues are elsewhere, and may lose what it says is queued."""

    async def test_what_was_confirmed_waits_in_its_lane(self, store: Store) -> None:
        created = [await store.create(a_prediction()) for _ in range(3)]
        await store.create(a_prediction())

        await store.published([one.id for one in created])

        found = await store.waiting(age=0, hold=LONG, limit=10)
        assert sorted(found, key=_by_id) == sorted(
            [Waiting(one.id, one.model, one.lane) for one in created], key=_by_id
        )

    async def test_what_was_queued_a_moment_ago_does_not_wait_yet(self, store: Store) -> None:
        created = await store.create(a_prediction())
        await store.published([created.id])

        assert await store.waiting(age=LONG, hold=LONG, limit=10) == []

    async def test_what_has_begun_or_ended_does_not_wait(self, store: Store) -> None:
        begun, ended = [await store.create(a_prediction()) for _ in range(2)]
        await store.published([begun.id, ended.id])
        await claimed(store, begun)
        await store.end(ended.id, canceled())

        assert await store.waiting(age=0, hold=LONG, limit=10) == []

    async def test_a_confirmation_that_comes_late_brings_nothing_back(self, store: Store) -> None:
        begun, ended = [await store.create(a_prediction()) for _ in range(2)]
        await claimed(store, begun)
        await store.end(ended.id, canceled())

        await store.published([begun.id, ended.id])

        assert await store.waiting(age=0, hold=LONG, limit=10) == []

    async def test_a_reset_waits_again_once_its_delay_is_over(self, store: Store) -> None:
        soon, later = [await a_run(store) for _ in range(2)]
        await settle(store, soon, reset(soon))
        await settle(store, later, replace(reset(later), delay=LONG))

        found = await store.waiting(age=0, hold=LONG, limit=10)

        assert [one.id for one in found] == [soon.id]

    async def test_what_waits_is_answered_in_pages_and_held(self, store: Store) -> None:
        created = [await store.create(a_prediction()) for _ in range(3)]
        await store.published([one.id for one in created])

        pages = [await store.waiting(age=0, hold=LONG, limit=2) for _ in range(3)]

        assert [len(page) for page in pages] == [2, 1, 0]
        assert {one.id for page in pages for one in page} == {one.id for one in created}

    async def test_what_was_held_and_still_waits_is_answered_again(self, store: Store) -> None:
        created = await store.create(a_prediction())
        await store.published([created.id])
        await eventually(lambda: store.waiting(age=0, hold=SHORT, limit=10), bool)

        (found,) = await eventually(lambda: store.waiting(age=0, hold=SHORT, limit=10), bool)

        assert found.id == created.id


def _by_id(prediction: Prediction | Waiting) -> str:
    return prediction.id
