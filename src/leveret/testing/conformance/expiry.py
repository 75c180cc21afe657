"""What the sweeper, and who deletes, may expect of a Store: outlived, remove_data, remove_records, delete."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
import time

import pytest
from msgspec import UNSET, Raw
from msgspec.structs import replace

from leveret.core.events import Failed, Logs, Output, Report, Succeeded, Why
from leveret.core.lanes import lane_for
from leveret.core.once import Once, Sent
from leveret.core.ports import Finished, Pulse, Query, Running, Store
from leveret.core.prediction import EMPTY, NULL, Blob, Prediction, Status
from leveret.errors import DataRemoved, DeadLetterNotFound, NotEnded, PredictionNotFound
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    append,
    canceled,
    claimed,
    eventually,
    reset,
    settle,
    succeeded,
    whole_log,
)

SHORT = 0.05
BLOB = Blob(key="outputs/x/1.json", size=3, sha256="ab")
ONCE = Once("k1", Sent.NAMED, LONG, "f1")


def brief(prediction: Prediction | None = None) -> Prediction:
    """One whose data is not kept for long."""
    return replace(prediction or a_prediction(), retention=SHORT)


async def ended(store: Store, prediction: Prediction) -> Prediction:
    """Run, with everything that a run can leave behind."""
    run = await claimed(store, await store.create(prediction))
    reports: list[Report] = [Output(time.time(), run.attempt, [Raw(b'"a"')]), Logs(time.time(), run.attempt, "secret")]
    await append(store, run, 1, *reports)
    await settle(store, run, Succeeded(at=time.time(), attempt=run.attempt, output=UNSET))
    return await store.get(prediction.id)


async def due(store: Store, count: int = 1, *, hold: float = LONG) -> list[Prediction]:
    """So many that are due, as soon as there are."""
    found: list[Prediction] = []

    async def more() -> list[Prediction]:
        found.extend(await store.outlived(hold=hold, limit=10))
        return found

    return await eventually(more, lambda found: len(found) >= count)


class ExpiryConformance:
    """outlived, remove_data and remove_records."""

    async def test_what_has_ended_expires_after_its_retention(self, store: Store) -> None:
        before = await ended(store, brief())

        (found,) = await due(store)

        assert found.completed_at is not None
        assert found.id == before.id
        assert (found.status, found.data_removed) == (Status.SUCCEEDED, False)
        assert time.time() >= found.completed_at + SHORT - 0.01

    async def test_what_has_not_ended_or_is_kept_for_longer_does_not_expire(self, store: Store) -> None:
        await store.create(brief())
        await claimed(store, await store.create(brief()))
        back = await claimed(store, await store.create(brief()))
        await settle(store, back, reset(back))
        await ended(store, replace(brief(), retention=LONG))
        await ended(store, a_prediction())
        last = await ended(store, brief())

        assert [found.id for found in await due(store)] == [last.id]

    async def test_it_expires_however_it_has_ended(self, store: Store) -> None:
        waiting, rebuilt = await store.create(brief()), brief()
        run = await claimed(store, rebuilt)
        await store.end(waiting.id, canceled())
        await settle(store, run, succeeded(run))
        dying = await store.create(brief())
        await store.end(dying.id, Failed(at=time.time(), error="no", dead=Why.UNDELIVERABLE))

        assert {one.id for one in await due(store, 3)} == {waiting.id, rebuilt.id, dying.id}

    async def test_what_was_answered_is_held_and_answered_again(self, store: Store) -> None:
        ended_ = await ended(store, brief())
        await due(store, hold=SHORT)

        assert [one.id for one in await due(store)] == [ended_.id]
        assert await store.outlived(hold=LONG, limit=10) == []

    async def test_outlived_answers_no_more_than_its_limit_and_nothing_twice(self, store: Store) -> None:
        ids = {(await ended(store, brief())).id for _ in range(5)}
        await asyncio.sleep(2 * SHORT)

        pages = await asyncio.gather(*[store.outlived(hold=LONG, limit=2) for _ in range(4)])

        assert sorted(len(page) for page in pages) == [0, 1, 2, 2]
        assert {one.id for page in pages for one in page} == ids

    async def test_after_the_removal_only_the_frame_of_it_is_left(self, store: Store) -> None:
        before = await ended(store, brief())

        for _ in range(2):
            await store.remove_data([before])

        after = await store.get(before.id)
        assert (after.input, after.output, after.logs, after.data_removed) == (EMPTY, NULL, "", True)
        assert after == replace(before, input=EMPTY, output=NULL, logs="", data_removed=True)
        assert await store.search(Query(account="alice")) == [after]
        assert await store.search(Query(account="alice", status=Status.SUCCEEDED, model="local/echo")) == [after]

    async def test_the_blobs_of_the_output_are_no_longer_named_but_that_of_the_input_is(self, store: Store) -> None:
        given = replace(brief(), input=EMPTY, input_blob=replace(BLOB, key="inputs/x.json"))
        run = await claimed(store, await store.create(given))
        await settle(store, run, replace(succeeded(run), output=NULL, output_blob=BLOB))
        before = await store.get(run.id)

        await store.remove_data([before])

        after = await store.get(run.id)
        assert (after.input_blob, after.output_blob) == (given.input_blob, None)

    async def test_its_log_is_gone_and_says_so(self, store: Store) -> None:
        before = await ended(store, brief())
        await store.remove_data([before])

        for after in (0, 2, 5, 100):
            with pytest.raises(DataRemoved):
                await whole_log(store, before.id, after=after)

    async def test_what_has_not_ended_keeps_its_data(self, store: Store) -> None:
        prediction = await store.create(a_prediction())

        await store.remove_data([prediction])
        await store.remove_records([prediction])

        assert await store.get(prediction.id) == prediction

    async def test_nothing_can_happen_to_it_any_more(self, store: Store) -> None:
        run = await claimed(store, await store.create(brief()))
        await settle(store, run, succeeded(run))
        await store.remove_data([await store.get(run.id)])
        after = await store.get(run.id)

        assert await store.claim([after], worker="w2", lease=LONG) == [Finished()]
        assert await store.cancel(run.id) is None
        assert not await store.end(run.id, canceled())
        assert await store.beat([run], worker="w1", lease=LONG) == [Pulse.LOST]
        await settle(store, run, succeeded(run))
        assert await store.get(run.id) == after

    async def test_the_record_is_due_when_its_own_time_is_over(self, store: Store) -> None:
        long_ago = time.time() - 30 * 24 * 3600
        run = await claimed(store, await store.create(brief()))
        await settle(store, run, replace(succeeded(run), at=long_ago))
        await store.remove_data(await due(store))

        (found,) = await due(store)

        assert (found.id, found.data_removed) == (run.id, True)

    async def test_the_record_stays_until_its_own_time_is_over(self, store: Store) -> None:
        await ended(store, brief())
        await store.remove_data(await due(store))

        assert await store.outlived(hold=LONG, limit=10) == []

    async def test_what_is_forgotten_is_as_if_it_had_never_been(self, store: Store) -> None:
        first = await store.create(brief(), once=ONCE)
        await store.end(first.id, canceled())
        await store.remove_data([await store.get(first.id)])

        for _ in range(2):
            await store.remove_records([first])

        with pytest.raises(PredictionNotFound):
            await store.get(first.id)
        with pytest.raises(PredictionNotFound):
            await whole_log(store, first.id)
        assert await store.search(Query(account="alice")) == []
        assert await store.outlived(hold=LONG, limit=10) == []
        assert (await store.create(a_prediction(), once=ONCE)).id != first.id

    async def test_a_key_that_another_one_has_taken_over_stays(self, store: Store) -> None:
        tries = [Once("k1", Sent.FIRST, LONG), Once("k1", Sent.AGAIN, LONG)]
        first, second = [await store.create(brief(), once=tries[0]) for _ in range(2)]
        await store.end(first.id, canceled())

        await store.remove_records([first])

        assert await store.create(a_prediction(), once=tries[1]) == second

    async def test_its_dead_letter_stays(self, store: Store) -> None:
        prediction = await store.create(brief(a_prediction(text="kept")))
        await store.end(prediction.id, Failed(at=time.time(), error="no", dead=Why.UNDELIVERABLE))
        before = await store.get(prediction.id)

        await store.remove_data([before])
        await store.remove_records([before])

        asked = (await store.letter(prediction.id)).prediction
        assert asked is not None
        assert asked.input == prediction.input

    async def test_nothing_of_nothing(self, store: Store) -> None:
        await store.remove_data([a_prediction()])
        await store.remove_records([a_prediction()])
        await store.remove_data([])
        await store.remove_records([])

        assert await store.outlived(hold=LONG, limit=10) == []


class DeleteConformance:
    """delete."""

    async def test_what_is_deleted_is_found_by_nobody(self, store: Store) -> None:
        before, other = await ended(store, a_prediction()), await ended(store, a_prediction())

        await store.delete(before)

        with pytest.raises(PredictionNotFound):
            await store.get(before.id)
        with pytest.raises(PredictionNotFound):
            await whole_log(store, before.id)
        assert await store.search(Query(account="alice")) == [other]
        assert await store.search(Query(account="alice", status=Status.SUCCEEDED)) == [other]
        assert (await store.create(a_prediction())).lane == lane_for(0)

    async def test_it_can_be_deleted_after_its_data_was_removed(self, store: Store) -> None:
        before = await ended(store, a_prediction())
        await store.remove_data([before])

        await store.delete(await store.get(before.id))

        assert await store.search(Query(account="alice")) == []

    async def test_its_messages_begin_no_run(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        await store.end(prediction.id, canceled())
        run = await claimed(store, await store.create(a_prediction()))
        await settle(store, run, succeeded(run))

        for one in (prediction.id, run.id):
            await store.delete(await store.get(one))

        assert await store.claim([prediction], worker="w1", lease=LONG) == [Finished()]
        assert await store.beat([run], worker="w1", lease=LONG) == [Pulse.LOST]
        assert await store.settle([(run, succeeded(run))], worker="w1") != [Pulse.GONE]
        assert not await append(store, run, 1, Logs(time.time(), run.attempt, "late"))
        assert await store.search(Query(account="alice")) == []

    async def test_its_id_is_not_taken_again(self, store: Store) -> None:
        before = await ended(store, a_prediction())
        await store.delete(before)

        with pytest.raises(PredictionNotFound):
            await store.create(replace(a_prediction(), id=before.id))

    async def test_what_has_not_ended_cannot_be_deleted(self, store: Store) -> None:
        waiting = await store.create(a_prediction())
        run = await claimed(store, await store.create(a_prediction()))

        for one in (waiting.id, run.id):
            with pytest.raises(NotEnded):
                await store.delete(await store.get(one))

        assert (await store.get(waiting.id)) == waiting
        assert await settle(store, run, succeeded(run))

    async def test_what_does_not_exist_cannot_be_deleted(self, store: Store) -> None:
        with pytest.raises(PredictionNotFound):
            await store.delete(a_prediction())

    async def test_what_is_deleted_cannot_be_deleted_again_nor_loses_its_data_again(self, store: Store) -> None:
        before = await ended(store, brief())
        await store.delete(before)

        with pytest.raises(PredictionNotFound):
            await store.delete(before)
        await store.remove_data([before])
        with pytest.raises(PredictionNotFound):
            await store.get(before.id)
        await asyncio.sleep(2 * SHORT)
        assert await store.outlived(hold=LONG, limit=10) == []

    async def test_its_dead_letter_goes_with_it(self, store: Store) -> None:
        prediction, other = [await store.create(a_prediction()) for _ in range(2)]
        for one in (prediction, other):
            await store.end(one.id, Failed(at=time.time(), error="no", dead=Why.UNDELIVERABLE))

        await store.delete(await store.get(prediction.id))

        with pytest.raises(DeadLetterNotFound):
            await store.letter(prediction.id)
        assert [letter.id for letter in await store.letters(limit=10)] == [other.id]
        assert [letter.id for letter in await store.letters(limit=10, model="local/echo")] == [other.id]

    async def test_its_key_is_free_again(self, store: Store) -> None:
        first = await store.create(a_prediction(), once=ONCE)
        await store.end(first.id, canceled())
        await store.delete(await store.get(first.id))

        second = await store.create(a_prediction(), once=replace(ONCE, fingerprint="f2"))

        assert second.id != first.id
        assert await store.create(a_prediction(), once=replace(ONCE, fingerprint="f2")) == second

    async def test_what_was_missed_and_is_deleted_is_no_answer(self, store: Store) -> None:
        unmarked = Once("k1", Sent.UNMARKED, LONG)
        first = await store.create(a_prediction(), once=unmarked)
        await store.missed(first, unmarked)
        await store.end(first.id, canceled())
        await store.delete(await store.get(first.id))
        asking = a_prediction()

        assert (await store.create(asking, once=unmarked)).id == asking.id
        assert Running(asking.id, 1) == await claimed(store, asking)
