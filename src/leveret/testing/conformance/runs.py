"""What a worker may expect of a Store while a run goes on and when it ends."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import time
from typing import Final

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.core.blobs import output_key
from leveret.core.events import Ending, Logs, Output, Progress, Reset, Started, name
from leveret.core.ports import Claimed, Pulse, Running, Store
from leveret.core.prediction import NULL, Blob, Status
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    a_run,
    append,
    beat,
    canceled,
    claimed,
    failed,
    reset,
    settle,
    streamed,
    succeeded,
    whole_log,
)

STRANGERS: Final = [
    pytest.param(0, "w2", id="another worker"),
    pytest.param(1, "w1", id="a later attempt"),
    pytest.param(-1, "w1", id="an earlier attempt"),
]
ENDINGS: Final[list[Ending]] = [
    succeeded(Running("", 1)),
    streamed(Running("", 1)),
    failed(Running("", 1)),
    replace(canceled(), attempt=1),
    reset(Running("", 1), suspect="w1"),
]


class RunsConformance:
    """beat, append and settle."""

    @pytest.mark.parametrize(("off", "worker"), STRANGERS)
    async def test_only_the_run_itself_can_beat_append_or_settle(self, store: Store, off: int, worker: str) -> None:
        run = await a_run(store, worker="w1")
        stranger = Running(run.id, run.attempt + off)
        before = await store.get(run.id)

        assert not await beat(store, stranger, worker=worker)
        assert not await append(store, stranger, 1, _logs(stranger, "x"), worker=worker)
        for ending in ENDINGS:
            assert not await settle(store, stranger, _of(ending, stranger), worker=worker)

        assert await store.get(run.id) == before
        assert await settle(store, run, succeeded(run))
        assert len(await whole_log(store, run.id)) == 3

    async def test_nothing_can_be_done_with_a_run_of_what_does_not_exist(self, store: Store) -> None:
        run, mine = Running("nothing", 1), await a_run(store)

        assert await store.beat([run, mine], worker="w1", lease=LONG) == [Pulse.GONE, Pulse.OURS]
        assert not await append(store, run, 1, _logs(run, "x"))
        for ending in ENDINGS:
            endings = [(run, ending), (mine, _of(succeeded(mine), mine))]
            assert await store.settle(endings, worker="w1") == [Pulse.GONE, Pulse.OURS]

    async def test_a_run_whose_record_is_gone_goes_on_once_its_worker_has_claimed_it_anew(self, store: Store) -> None:
        message = a_prediction(attempt=1)
        run = Running(message.id, 2)
        assert await store.beat([run], worker="w1", lease=LONG) == [Pulse.GONE]

        assert await store.claim([replace(message, charged=1)], worker="w1", lease=LONG) == [Claimed(2, charged=1)]

        assert await append(store, run, 7, _logs(run, "later"))
        assert await beat(store, run)
        assert await settle(store, run, succeeded(run))
        assert (await store.get(run.id)).logs == "later"

    async def test_beats_are_answered_in_their_order(self, store: Store) -> None:
        mine, other, ended = await a_run(store), await a_run(store, worker="w2"), await a_run(store)
        await settle(store, ended, succeeded(ended))

        assert await store.beat([other, mine, ended], worker="w1", lease=LONG) == [Pulse.LOST, Pulse.OURS, Pulse.LOST]
        assert await store.beat([], worker="w1", lease=LONG) == []

    async def test_reports_make_the_record_and_the_log(self, store: Store) -> None:
        run = await a_run(store)

        assert await append(store, run, 1, _output(run, b"1", b'"two"'), _logs(run, "begin\n"))
        assert await append(store, run, 2, _progress(run, 0.5), _output(run, b"[3]"), _logs(run, "end\n"))

        record = await store.get(run.id)
        assert (record.status, record.output) == (Status.PROCESSING, Raw(b'[1,"two",[3]]'))
        assert (record.logs, record.progress) == ("begin\nend\n", 0.5)
        await settle(store, run, streamed(run))
        kinds = [name(entry.event) for entry in await whole_log(store, run.id)]
        assert kinds[2:] == ["output", "logs", "progress", "output", "logs", "succeeded"]

    async def test_a_repeated_append_adds_nothing(self, store: Store) -> None:
        run = await a_run(store)

        assert await append(store, run, 1, _logs(run, "a"))
        assert await append(store, run, 1, _logs(run, "a"))
        assert await append(store, run, 2, _logs(run, "b"), _logs(run, "c"))
        assert await append(store, run, 1, _logs(run, "a"))
        assert await append(store, run, 2, _logs(run, "b"), _logs(run, "c"))

        assert (await store.get(run.id)).logs == "abc"

    async def test_an_append_of_nothing_tells_whether_the_run_goes_on(self, store: Store) -> None:
        run = await a_run(store)

        assert await append(store, run, 1)
        assert await append(store, run, 2, _logs(run, "a"))

        await store.end(run.id, canceled())
        assert not await append(store, run, 3)
        assert len(await whole_log(store, run.id)) == 4

    async def test_the_next_attempt_counts_its_appends_from_one_again(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        first = await claimed(store, prediction)
        await append(store, first, 1, _output(first, b"1"), _logs(first, "first "))
        await append(store, first, 2, _output(first, b"2"))
        await settle(store, first, reset(first))
        second = await claimed(store, prediction)

        assert await append(store, second, 1, _output(second, b"3"), _logs(second, "second"))

        record = await store.get(prediction.id)
        assert (record.output, record.logs) == (Raw(b"[3]"), "first second")

    async def test_nothing_can_be_appended_when_the_run_has_ended(self, store: Store) -> None:
        run = await a_run(store)
        await append(store, run, 1, _logs(run, "a"))
        await settle(store, run, succeeded(run))

        assert not await append(store, run, 2, _logs(run, "late"))

        assert (await store.get(run.id)).logs == "a"

    async def test_a_run_succeeds_with_its_output(self, store: Store) -> None:
        run = await a_run(store)
        before = await store.get(run.id)
        ending = succeeded(run, '{"größe":[1.5,null]}'.encode())

        assert await settle(store, run, ending)

        assert isinstance(ending.output, Raw)
        assert await store.get(run.id) == replace(
            before, status=Status.SUCCEEDED, output=ending.output, completed_at=ending.at
        )

    async def test_a_run_succeeds_with_a_large_output(self, store: Store) -> None:
        run = await a_run(store)
        blob = Blob(key=output_key(run.id, run.attempt), size=5_000_000, sha256="cd" * 32, content_type="image/png")

        assert await settle(store, run, replace(succeeded(run, b'"data"'), output_blob=blob))

        assert (await store.get(run.id)).output_blob == blob

    async def test_a_run_succeeds_with_what_it_has_streamed(self, store: Store) -> None:
        run = await a_run(store)
        await append(store, run, 1, _output(run, b'"a"'))
        await append(store, run, 2, _output(run, b'"b"'))

        assert await settle(store, run, streamed(run))

        record = await store.get(run.id)
        assert (record.status, record.output) == (Status.SUCCEEDED, Raw(b'["a","b"]'))

    async def test_a_run_fails_with_its_error(self, store: Store) -> None:
        run = await a_run(store)
        ending = failed(run, "ValueError: nö")

        assert await settle(store, run, ending)

        record = await store.get(run.id)
        assert (record.status, record.error, record.completed_at) == (Status.FAILED, "ValueError: nö", ending.at)
        assert (record.attempt, record.worker) == (1, "w1")

    async def test_a_run_is_canceled_by_its_worker(self, store: Store) -> None:
        run = await a_run(store)

        assert await settle(store, run, replace(canceled("took too long"), attempt=1))

        record = await store.get(run.id)
        assert (record.status, record.error) == (Status.CANCELED, "took too long")

    async def test_a_reset_run_waits_for_the_next_one(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)
        await append(store, run, 1, _output(run, b"1"), _progress(run, 0.9))

        assert await settle(store, run, reset(run))

        assert await store.get(prediction.id) == replace(prediction, attempt=1, charged=1)
        assert (await store.get(prediction.id)).output == NULL
        assert not await beat(store, run)
        assert not await append(store, run, 2, _logs(run, "late"))

    @pytest.mark.parametrize("ending", ENDINGS, ids=name)
    async def test_a_repeated_settle_answers_the_same_and_changes_nothing(self, store: Store, ending: Ending) -> None:
        run = await a_run(store)
        assert await settle(store, run, ending)
        settled = await store.get(run.id)

        assert await settle(store, run, ending)

        assert await store.get(run.id) == settled
        await store.end(run.id, canceled())
        assert len(await whole_log(store, run.id)) == (4 if isinstance(ending, Reset) else 3)

    async def test_a_run_that_has_ended_one_way_cannot_end_another_way(self, store: Store) -> None:
        run = await a_run(store)
        await settle(store, run, succeeded(run))
        settled = await store.get(run.id)

        assert not await settle(store, run, failed(run))
        assert not await settle(store, run, reset(run))

        assert await store.get(run.id) == settled

    async def test_a_late_settle_of_an_earlier_attempt_is_refused(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        first = await claimed(store, prediction, worker="w1")
        await settle(store, first, reset(first), worker="w1")
        second = await claimed(store, prediction, worker="w1")

        assert not await settle(store, first, succeeded(first), worker="w1")

        assert await settle(store, second, succeeded(second), worker="w1")

    async def test_settles_are_answered_in_their_order(self, store: Store) -> None:
        runs = [await a_run(store), await a_run(store, worker="w2"), await a_run(store), await a_run(store)]
        endings: list[Ending] = [succeeded(runs[0]), succeeded(runs[1]), failed(runs[2]), reset(runs[3])]

        settled = await store.settle(list(zip(runs, endings, strict=True)), worker="w1")

        assert settled == [Pulse.OURS, Pulse.LOST, Pulse.OURS, Pulse.OURS]
        records = [await store.get(run.id) for run in runs]
        assert [record.status for record in records] == ["succeeded", "processing", "failed", "starting"]
        assert await store.settle([], worker="w1") == []

    async def test_the_fence_holds_through_every_kind_of_ending(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        first = await claimed(store, prediction, worker="w1")
        await settle(store, first, reset(first), worker="w1")

        assert await store.claim([prediction], worker="w2", lease=LONG) == [Claimed(2, charged=1)]

        second = Running(prediction.id, 2)
        assert await settle(store, second, succeeded(second), worker="w2")
        started = [entry.event for entry in await whole_log(store, prediction.id) if isinstance(entry.event, Started)]
        assert [(event.attempt, event.worker) for event in started] == [(1, "w1"), (2, "w2")]


def _of(ending: Ending, run: Running) -> Ending:
    return replace(ending, attempt=run.attempt)


def _output(run: Running, *chunks: bytes) -> Output:
    return Output(at=time.time(), attempt=run.attempt, chunks=[Raw(chunk) for chunk in chunks])


def _logs(run: Running, text: str) -> Logs:
    return Logs(at=time.time(), attempt=run.attempt, text=text)


def _progress(run: Running, fraction: float) -> Progress:
    return Progress(at=time.time(), attempt=run.attempt, fraction=fraction)
