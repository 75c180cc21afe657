"""What the gateway may expect of a Store: create, get, search, end."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
import time

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.core.events import Logs, Output, Queued
from leveret.core.lanes import lane_for
from leveret.core.ports import Query, Running, Store
from leveret.core.prediction import Blob, Prediction, Priority, Status, Trace
from leveret.errors import PredictionNotFound
from leveret.testing.conformance.arrange import (
    a_prediction,
    a_run,
    append,
    beat,
    canceled,
    claimed,
    entries,
    failed,
    fresh_id,
    reset,
    settle,
    succeeded,
    unnumbered,
    whole_log,
)


class PredictionsConformance:
    """create, get, search and end."""

    async def test_a_created_prediction_reads_back_as_it_was_submitted(self, store: Store) -> None:
        prediction = a_prediction()

        created = await store.create(prediction)

        assert unnumbered(created) == prediction
        assert await store.get(prediction.id) == created

    async def test_every_field_of_a_submitted_prediction_is_kept(self, store: Store) -> None:
        prediction = replace(
            a_prediction(account="straße 7:\n", text="naïve ☃"),
            version="3f0c",
            priority=Priority.HIGH,
            start_by=time.time() + 1800.75,
            deadline=time.time() + 3600.25,
            input_blob=Blob(key="in/1", size=12, sha256="ab" * 32, content_type="image/png"),
            trace=Trace(f"00-{'ab' * 16}-{'cd' * 8}-01", "vendor=hare"),
        )

        await store.create(prediction)

        assert unnumbered(await store.get(prediction.id)) == prediction

    async def test_a_large_input_is_kept(self, store: Store) -> None:
        prediction = replace(a_prediction(), input=Raw(b'"' + b"x" * 1_000_000 + b'"'))

        await store.create(prediction)

        assert unnumbered(await store.get(prediction.id)) == prediction

    async def test_many_predictions_created_at_once_are_all_there(self, store: Store) -> None:
        predictions = [a_prediction(account=f"account-{number}") for number in range(200)]

        created = await asyncio.gather(*[store.create(prediction) for prediction in predictions])

        assert [unnumbered(one) for one in created] == predictions
        assert await asyncio.gather(*[store.get(prediction.id) for prediction in predictions]) == created

    async def test_an_unknown_prediction_is_not_found(self, store: Store) -> None:
        with pytest.raises(PredictionNotFound) as caught:
            await store.get("nothing")

        assert caught.value.data == {"prediction_id": "nothing"}

    async def test_the_log_begins_with_queued(self, store: Store) -> None:
        before = time.time()
        prediction = await store.create(a_prediction())

        (first,) = await entries(store, prediction.id, 1)

        assert first.number == 1
        assert isinstance(first.event, Queued)
        assert before <= first.event.at <= time.time()

    async def test_creating_the_same_id_again_changes_nothing(self, store: Store) -> None:
        first = await store.create(a_prediction())

        again = await store.create(replace(first, input=Raw(b'"other"'), account="bob"))

        assert again == first
        assert await store.get(first.id) == first
        assert await store.search(Query(account="bob")) == []
        await store.end(first.id, canceled())
        assert len(await whole_log(store, first.id)) == 2

    async def test_creating_the_same_id_again_counts_once(self, store: Store) -> None:
        prediction = a_prediction()

        for _ in range(5):
            await store.create(prediction)

        assert (await store.create(a_prediction())).lane == lane_for(1)

    async def test_creating_the_same_id_again_answers_how_far_it_is(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        await append(store, run, 1, Output(at=time.time(), attempt=1, chunks=[Raw(b"1")]))

        again = await store.create(prediction)

        assert again.status is Status.PROCESSING
        assert again == await store.get(prediction.id)

    async def test_the_lane_gets_worse_the_more_the_account_has_outstanding(self, store: Store) -> None:
        lanes = [(await store.create(a_prediction())).lane for _ in range(34)]

        assert lanes == [lane_for(outstanding) for outstanding in range(34)]

    @pytest.mark.parametrize("priority", Priority)
    async def test_the_lane_follows_the_priority_within_what_the_account_has_outstanding(
        self, store: Store, priority: Priority
    ) -> None:
        lanes = [(await store.create(replace(a_prediction(), priority=priority))).lane for _ in range(34)]

        assert lanes == [lane_for(outstanding, priority=priority) for outstanding in range(34)]

    async def test_the_chosen_lane_is_part_of_the_record(self, store: Store) -> None:
        created = [await store.create(a_prediction()) for _ in range(4)]

        assert [(await store.get(prediction.id)).lane for prediction in created] == [0, 0, 1, 1]

    async def test_outstanding_is_counted_for_each_account_and_model(self, store: Store) -> None:
        for _ in range(4):
            await store.create(a_prediction(account="alice", model="local/echo"))

        assert (await store.create(a_prediction(account="bob", model="local/echo"))).lane == 0
        assert (await store.create(a_prediction(account="alice", model="local/other"))).lane == 0
        assert (await store.create(a_prediction(account="alice", model="local/echo"))).lane == 1

    async def test_the_lane_is_the_first_again_when_everything_has_ended(self, store: Store) -> None:
        predictions = [await store.create(a_prediction()) for _ in range(3)]
        run = await claimed(store, predictions[0])
        other = await claimed(store, predictions[1])

        await settle(store, run, succeeded(run))
        await settle(store, other, failed(other))
        await store.end(predictions[2].id, canceled())

        assert [(await store.create(a_prediction())).lane for _ in range(3)] == [0, 0, 1]

    async def test_a_run_that_is_reset_is_still_outstanding(self, store: Store) -> None:
        for _ in range(2):
            run = await a_run(store)
            await settle(store, run, reset(run))

        assert (await store.create(a_prediction())).lane == lane_for(2)

    async def test_a_queued_prediction_can_be_ended(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        ending = canceled("deadline passed before it started")

        assert await store.end(prediction.id, ending)

        assert await store.get(prediction.id) == replace(
            prediction, status=Status.CANCELED, error=ending.error, completed_at=ending.at
        )
        assert [entry.event for entry in await whole_log(store, prediction.id)][1:] == [ending]

    async def test_what_has_ended_cannot_be_ended_again(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        await store.end(prediction.id, canceled())
        ended = await store.get(prediction.id)

        assert not await store.end(prediction.id, replace(canceled(), at=time.time() + 1))
        assert not await store.end(prediction.id, failed(Running(prediction.id, 1)))

        assert await store.get(prediction.id) == ended
        assert len(await whole_log(store, prediction.id)) == 2

    async def test_what_does_not_exist_cannot_be_ended(self, store: Store) -> None:
        assert not await store.end("nothing", canceled())

    async def test_ending_a_running_prediction_takes_it_from_its_worker(self, store: Store) -> None:
        run = await a_run(store)

        assert await store.end(run.id, canceled())

        assert not await beat(store, run)
        assert not await append(store, run, 1, Logs(at=time.time(), attempt=1, text="late"))
        assert not await settle(store, run, succeeded(run))
        assert (await store.get(run.id)).status is Status.CANCELED
        assert len(await whole_log(store, run.id)) == 3


class SearchConformance:
    """search."""

    async def test_search_lists_the_predictions_of_one_account_newest_first(self, store: Store) -> None:
        mine = await _created(store, 5, account="alice")
        await _created(store, 2, account="bob")

        assert await store.search(Query(account="alice")) == mine

    async def test_search_knows_nothing_of_a_new_account(self, store: Store) -> None:
        await _created(store, 1, account="alice")

        assert await store.search(Query(account="carol")) == []

    async def test_search_goes_on_below_the_last_id_of_a_page(self, store: Store) -> None:
        mine = await _created(store, 5)

        first = await store.search(Query(account="alice", limit=2))
        second = await store.search(Query(account="alice", limit=2, before=first[-1].id))
        third = await store.search(Query(account="alice", limit=2, before=second[-1].id))

        assert [first, second, third] == [mine[:2], mine[2:4], mine[4:]]

    async def test_search_by_status_fills_its_pages(self, store: Store) -> None:
        mine = await _created(store, 12)
        for prediction in mine[1::4]:
            await store.end(prediction.id, canceled())

        first = await store.search(Query(account="alice", status=Status.CANCELED, limit=2))
        rest = await store.search(Query(account="alice", status=Status.CANCELED, limit=2, before=first[-1].id))

        assert [found.id for found in first] == [mine[1].id, mine[5].id]
        assert [found.id for found in rest] == [mine[9].id]

    async def test_search_by_model(self, store: Store) -> None:
        await _created(store, 2, model="local/echo")
        others = await _created(store, 2, model="local/other")

        assert await store.search(Query(account="alice", model="local/other")) == others

    async def test_search_finds_the_records_as_they_are_now(self, store: Store) -> None:
        run = await a_run(store)
        await append(store, run, 1, Output(at=time.time(), attempt=1, chunks=[Raw(b"1"), Raw(b"2")]))

        (found,) = await store.search(Query(account="alice", status=Status.PROCESSING))

        assert found == await store.get(run.id)
        assert found.output == Raw(b"[1,2]")

    async def test_search_finds_what_was_rebuilt_from_a_message(self, store: Store) -> None:
        prediction = a_prediction()
        await claimed(store, prediction)

        assert [found.id for found in await store.search(Query(account="alice"))] == [prediction.id]


async def _created(store: Store, count: int, *, account: str = "alice", model: str = "local/echo") -> list[Prediction]:
    """So many new predictions, newest (that is: with the highest id) first."""
    ids = sorted(fresh_id() for _ in range(count))
    created = [await store.create(replace(a_prediction(account=account, model=model), id=id_)) for id_ in ids]
    return created[::-1]
