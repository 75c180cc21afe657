"""What a watcher may expect of a Store: follow."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
import time
import tracemalloc
from contextlib import aclosing
from typing import Final

import msgspec
import pytest
from msgspec import Raw

from leveret.core.events import Output, name
from leveret.core.ports import Running, Store
from leveret.errors import PredictionNotFound
from leveret.testing.conformance.arrange import (
    PATIENCE,
    a_prediction,
    a_run,
    append,
    canceled,
    claimed,
    reset,
    settle,
    streamed,
    succeeded,
    whole_log,
)

_LARGE: Final = 250_000
"""The size of a large chunk, in bytes."""


class LogConformance:
    """follow."""

    async def test_following_what_does_not_exist_is_not_found(self, store: Store) -> None:
        with pytest.raises(PredictionNotFound):
            await whole_log(store, "nothing")

    async def test_the_log_of_an_ended_prediction_is_replayed_and_ends(self, store: Store) -> None:
        run = await a_run(store)
        await append(store, run, 1, _output(run, 1), _output(run, 2))
        await settle(store, run, streamed(run))

        log = await whole_log(store, run.id)

        assert [entry.number for entry in log] == [1, 2, 3, 4, 5]
        assert [name(entry.event) for entry in log] == ["queued", "started", "output", "output", "succeeded"]
        assert [entry.final for entry in log] == [False, False, False, False, True]

    async def test_events_are_kept_as_they_were_given(self, store: Store) -> None:
        run = await a_run(store)
        output, ending = _output(run, 1), streamed(run)
        await append(store, run, 1, output)
        await settle(store, run, ending)

        log = await whole_log(store, run.id)

        assert [entry.event for entry in log[2:]] == [output, ending]

    async def test_following_begins_behind_the_number_given(self, store: Store) -> None:
        run = await a_run(store)
        await settle(store, run, succeeded(run))

        assert [entry.number for entry in await whole_log(store, run.id, after=1)] == [2, 3]

    @pytest.mark.parametrize("after", [3, 4, 99])
    async def test_following_behind_the_final_entry_ends_at_once(self, store: Store, after: int) -> None:
        run = await a_run(store)
        await settle(store, run, succeeded(run))

        assert await whole_log(store, run.id, after=after) == []

    async def test_a_watcher_gets_each_event_as_it_comes(self, store: Store) -> None:
        prediction = await store.create(a_prediction())

        async with asyncio.timeout(PATIENCE), aclosing(store.follow(prediction.id)) as log:
            assert name((await anext(log)).event) == "queued"
            run = await claimed(store, prediction)
            assert name((await anext(log)).event) == "started"
            await append(store, run, 1, _output(run, 1))
            assert name((await anext(log)).event) == "output"
            await settle(store, run, reset(run))
            assert name((await anext(log)).event) == "reset"
            await store.end(prediction.id, canceled())
            assert name((await anext(log)).event) == "canceled"
            assert await anext(log, None) is None

    async def test_a_watcher_that_waits_is_woken(self, store: Store) -> None:
        prediction = await store.create(a_prediction())

        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(whole_log(store, prediction.id, after=1))
            await asyncio.sleep(0.02)  # it waits by now on most machines, and must do the right thing on all
            await store.end(prediction.id, canceled())

        assert [entry.number for entry in watcher.result()] == [2]

    async def test_a_watcher_who_asks_for_later_entries_ends_with_the_final_one(self, store: Store) -> None:
        prediction = await store.create(a_prediction())

        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(whole_log(store, prediction.id, after=10))
            await asyncio.sleep(0.02)  # as above
            await store.end(prediction.id, canceled())

        assert watcher.result() == []

    async def test_watchers_see_everything_in_order_whenever_they_come(self, store: Store) -> None:
        prediction = await store.create(a_prediction())
        run = await claimed(store, prediction)

        async with asyncio.TaskGroup() as tasks:
            watchers = [tasks.create_task(whole_log(store, prediction.id))]
            for number in range(1, 101):
                await append(store, run, number, _output(run, number))
                if number % 25 == 0:
                    watchers.append(tasks.create_task(whole_log(store, prediction.id)))
            await settle(store, run, streamed(run))

        expected = await whole_log(store, prediction.id)
        assert [entry.number for entry in expected] == list(range(1, 104))
        assert [watcher.result() for watcher in watchers] == [expected] * 5

    async def test_watchers_of_different_predictions_do_not_mix(self, store: Store) -> None:
        runs = [await a_run(store) for _ in range(10)]

        async with asyncio.TaskGroup() as tasks:
            watchers = [tasks.create_task(whole_log(store, run.id)) for run in runs]
            for run in runs:
                await append(store, run, 1, _output(run, 7))
            for run in runs:
                await settle(store, run, succeeded(run, run.id.encode().join([b'"', b'"'])))

        assert [len(watcher.result()) for watcher in watchers] == [4] * 10
        assert [(await store.get(run.id)).output for run in runs] == [Raw(f'"{run.id}"'.encode()) for run in runs]

    async def test_a_watcher_that_leaves_does_not_disturb_another(self, store: Store) -> None:
        prediction = await store.create(a_prediction())

        async with asyncio.timeout(PATIENCE), aclosing(store.follow(prediction.id)) as stays:
            await anext(stays)
            async with aclosing(store.follow(prediction.id)) as leaves:
                await anext(leaves)
            await store.end(prediction.id, canceled())

            assert [entry.number async for entry in stays] == [2]

    async def test_a_watcher_that_stands_still_costs_little_memory_and_misses_nothing(self, store: Store) -> None:
        run = await a_run(store)
        async with asyncio.timeout(PATIENCE), aclosing(store.follow(run.id)) as log:
            assert (await anext(log)).number == 1
            tracemalloc.start()
            try:
                for number in range(1, 61):
                    await append(store, run, number, _large_output(run, number))
                kept, _ = tracemalloc.get_traced_memory()
                await settle(store, run, streamed(run))
                tracemalloc.reset_peak()
                numbers = [entry.number async for entry in log]
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()

        assert kept < 60 * _LARGE / 4
        assert peak < 60 * _LARGE / 2
        assert numbers == list(range(2, 64))

    async def test_a_long_log_is_read_whole_while_it_grows(self, store: Store) -> None:
        run = await a_run(store)
        for number in range(1, 11):
            await append(store, run, number, _large_output(run, number), *[_output(run, number) for _ in range(120)])

        live = await store.get(run.id)
        await settle(store, run, streamed(run))

        chunks = msgspec.json.decode(live.output, type=list[Raw])
        assert len(chunks) == 10 * 121
        assert chunks[-1] == Raw(b"10")
        assert (await store.get(run.id)).output == live.output


def _large_output(run: Running, number: int) -> Output:
    return Output(at=time.time(), attempt=run.attempt, chunks=[Raw(b'"%0*d"' % (_LARGE, number))])


def _output(run: Running, number: int) -> Output:
    return Output(at=time.time(), attempt=run.attempt, chunks=[Raw(b"%d" % number)])
