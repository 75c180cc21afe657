"""How many deliveries are taken together, and on which terms."""

from __future__ import annotations

import asyncio

from leveret.worker.batcher import Batcher, Pace, Terms
from tests.worker.arrange import PATIENCE, Family

MODEL = "local/echo"


def test_while_the_pace_is_unknown_runs_are_taken_one_at_a_time() -> None:
    assert Terms(fast=False, most=1) == Pace().terms(batch=1)


def test_fast_runs_are_taken_together_for_about_25_milliseconds_but_not_too_many() -> None:
    assert [64, 25, 2, 1] == [learned(seconds).terms(1).most for seconds in (0.0, 0.001, 0.01, 0.04)]


def test_slow_runs_are_taken_one_at_a_time_with_none_sent_ahead() -> None:
    terms = learned(2.0).terms(batch=1)

    assert (False, 1, 1, 0) == (terms.fast, terms.most, terms.room, terms.ahead)


def test_a_fast_model_has_a_second_batch_in_hand_and_a_third_on_its_way() -> None:
    terms = learned(0.001).terms(batch=1)

    assert (True, 2, 75) == (terms.fast, terms.room, terms.ahead)


def test_a_batched_model_always_gets_its_own_size_of_batches() -> None:
    assert [16, 16, 16] == [pace.terms(batch=16).most for pace in (Pace(), learned(0.0001), learned(5.0))]


def test_the_pace_follows_the_newest_runs() -> None:
    pace = learned(1.0)

    for _ in range(50):
        pace.learn(0.001)

    assert pace.terms(batch=1).fast


def test_terms_fit_until_the_pace_has_changed_a_lot() -> None:
    agreed = learned(0.004).terms(batch=1)

    assert [True, True, False, False] == [agreed.fit(learned(s).terms(batch=1)) for s in (0.003, 0.008, 0.04, 1.0)]


async def test_a_batch_is_what_comes_within_the_window(family: Family) -> None:
    await family.broker.declare(MODEL)

    async with family.broker.consume(MODEL, ahead=8) as deliveries, asyncio.TaskGroup() as group:
        taking = group.create_task(Batcher(deliveries, window=PATIENCE).take(3))
        submitted = await family.submit(MODEL, {"n": 1}, {"n": 2}, {"n": 3})

    assert submitted == [one.prediction.id for one in taking.result()]


async def test_a_batch_that_is_not_full_goes_when_the_window_has_passed(family: Family) -> None:
    submitted = await family.submit(MODEL, {"n": 1})

    async with family.broker.consume(MODEL, ahead=8) as deliveries:
        taken = await Batcher(deliveries, window=0.01).take(3)

    assert submitted == [one.prediction.id for one in taken]


async def test_without_a_window_a_batch_is_what_is_there(family: Family) -> None:
    submitted = await family.submit(MODEL, {"n": 1}, {"n": 2})

    async with family.broker.consume(MODEL, ahead=8) as deliveries:
        taken = await Batcher(deliveries, window=0.0).take(3)

    assert submitted == [one.prediction.id for one in taken]


async def test_what_a_canceled_batch_had_gathered_is_left(family: Family) -> None:
    submitted = await family.submit(MODEL, {"n": 1})

    async with family.broker.consume(MODEL, ahead=8) as deliveries:
        batcher = Batcher(deliveries, window=PATIENCE)
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(batcher.take(3))
            while await family.broker.depth(MODEL) != (0, 0, 0, 0):
                await asyncio.sleep(0)
            taking.cancel()

        assert submitted == [one.prediction.id for one in batcher.left()]
        assert [] == batcher.left()


def learned(seconds: float) -> Pace:
    pace = Pace()
    pace.learn(seconds)
    return pace
