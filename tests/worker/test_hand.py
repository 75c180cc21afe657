"""What a worker holds: none of it twice, each dealt with once, and signs of life."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from leveret.core.events import Reset
from leveret.core.ports import Claimed, Running
from leveret.core.prediction import Status
from leveret.worker import hand as hand_module
from leveret.worker.hand import Hand, Held, Unwanted
from tests.worker.arrange import PATIENCE, Family, take_one

MODEL = "local/echo"
EMPTY = (0, 0, 0, 0)


async def test_a_second_delivery_of_what_is_held_is_a_double(family: Family) -> None:
    (submitted,) = await family.submit(MODEL, {"n": 1})
    await family.broker.publish(await family.store.get(submitted))

    async with family.broker.consume(MODEL, ahead=2) as deliveries:
        hand = a_hand(family)
        held, double = hand.hold(await take_one(deliveries)), hand.hold(await take_one(deliveries))

        assert (False, True) == (held.double, double.double)
        assert hand.of(submitted) is held


async def test_dealing_with_a_double_leaves_the_first_in_the_hand(family: Family) -> None:
    (submitted,) = await family.submit(MODEL, {"n": 1})
    await family.broker.publish(await family.store.get(submitted))

    async with family.broker.consume(MODEL, ahead=2) as deliveries:
        hand = a_hand(family)
        held, double = hand.hold(await take_one(deliveries)), hand.hold(await take_one(deliveries))
        hand.ack(double)

        assert hand.of(submitted) is held


async def test_what_was_acknowledged_cannot_be_given_back(family: Family) -> None:
    await family.submit(MODEL, {"n": 1})

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        hand = a_hand(family)
        held = hand.hold(await take_one(deliveries))
        hand.ack(held)
        await hand.give_back(held, delay=0)

    assert await family.broker.depth(MODEL) == EMPTY


async def test_what_was_given_back_may_be_held_again(family: Family) -> None:
    await family.submit(MODEL, {"n": 1})

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        hand = a_hand(family)
        await hand.give_back(hand.hold(await take_one(deliveries)), delay=0)

        assert not hand.hold(await take_one(deliveries)).double


async def test_a_beat_renews_the_lease_of_what_runs(family: Family) -> None:
    await family.submit(MODEL, {"n": 1})

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        hand = a_hand(family)
        held = await claimed(family, hand.hold(await take_one(deliveries)), hand=hand, lease=0.0)
        await hand.beat()

        assert [] == await family.store.lapsed(hold=1.0, limit=1)
        assert held.alive


async def test_a_run_that_has_become_another_workers_gets_no_more_beats(family: Family) -> None:
    await family.submit(MODEL, {"n": 1})

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        hand = a_hand(family)
        held = await claimed(family, hand.hold(await take_one(deliveries)), hand=hand, lease=0.0)
        (claim,) = await family.store.claim([held.prediction], worker="another", lease=60.0)
        await hand.beat()

        assert Claimed(2, charged=1) == claim
        assert not held.alive


async def test_what_is_past_its_deadline_is_stopped_until_it_is_dealt_with(
    family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand_module, "AGAIN", 0.001)
    stopped = Stopped()
    await family.submit(MODEL, {"n": 1}, deadline=time.time() + 0.5)

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        hand = a_hand(family, stopped)
        held = hand.hold(await take_one(deliveries))
        hand.begin(held, Claimed(1), most=3)
        runs = [await stopped.next() for _ in range(3)]
        hand.ack(held)
        stopped.runs.clear()
        await asyncio.sleep(0.02)

    assert [Running(held.prediction.id, 1)] * 3 == runs
    assert Unwanted.OVERDUE is held.unwanted
    assert held.prediction.deadline is not None
    assert held.prediction.deadline <= time.time()
    assert [] == stopped.runs


async def test_a_run_that_was_run_and_handed_back_since_its_record_was_lost_is_not_taken_again(family: Family) -> None:
    (submitted,) = await family.submit(MODEL, {"n": 1})

    async with family.broker.consume(MODEL, ahead=0) as deliveries:
        hand = a_hand(family)
        held = await claimed(family, hand.hold(await take_one(deliveries)), hand=hand, lease=60.0)
        await family.lose_records()
        await family.store.claim([held.prediction], worker="another", lease=60.0)
        await family.store.settle([(held.run, Reset(1.0, 1, "stopped", charged=0))], worker="another")
        rebuilt = await hand.rebuild([held])

    assert [] == rebuilt
    left = await family.store.get(submitted)
    assert (Status.STARTING, 2, 0) == (left.status, left.attempt, left.charged)


async def test_what_has_a_deadline_to_come_or_none_is_left_alone(family: Family) -> None:
    stopped = Stopped()
    await family.submit(MODEL, {"n": 1})
    await family.submit(MODEL, {"n": 2}, deadline=time.time() + 3600)

    async with family.broker.consume(MODEL, ahead=2) as deliveries:
        hand = a_hand(family, stopped)
        for _ in range(2):
            held = hand.hold(await take_one(deliveries))
            hand.begin(held, Claimed(1), most=3)
            assert hand.wants(held.prediction.id, at=time.time())
            hand.ack(held)

    assert [] == stopped.runs


async def test_what_is_past_its_deadline_need_not_begin(family: Family) -> None:
    deadline = time.time() + 3600
    (submitted,) = await family.submit(MODEL, {"n": 1}, deadline=deadline)

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        hand = a_hand(family)
        held = hand.hold(await take_one(deliveries))

        assert [True, False, False] == [hand.wants(submitted, at=deadline + late) for late in (-1, 0, -1)]
        assert Unwanted.OVERDUE is held.unwanted
        hand.cancel(submitted)
        assert Unwanted.OVERDUE is held.unwanted  # the first reason counts


async def test_a_run_that_has_become_another_workers_is_stopped(family: Family) -> None:
    stopped = Stopped()
    await family.submit(MODEL, {"n": 1})

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        hand = a_hand(family, stopped)
        held = await claimed(family, hand.hold(await take_one(deliveries)), hand=hand, lease=0.0)
        await family.store.claim([held.prediction], worker="another", lease=60.0)
        await hand.beat()
        hand.ack(held)

    assert [held.run] == stopped.runs
    assert Unwanted.LOST is held.unwanted


class Stopped:
    """Takes what the hand wants stopped."""

    def __init__(self) -> None:
        self.runs: list[Running] = []
        self._some = asyncio.Event()

    def __call__(self, run: Running) -> None:
        self.runs.append(run)
        self._some.set()

    async def next(self) -> Running:
        async with asyncio.timeout(PATIENCE):
            while not self.runs:
                self._some.clear()
                await self._some.wait()
        return self.runs.pop(0)


def a_hand(family: Family, stop: Callable[[Running], None] = lambda run: None) -> Hand:
    return Hand(runs=family.store, worker="w1", lease=60.0, stop=stop, reply=lambda prediction: None)


async def claimed(family: Family, held: Held, *, hand: Hand, lease: float) -> Held:
    """The same, once its run is claimed for so long."""
    (claim,) = await family.store.claim([held.prediction], worker="w1", lease=lease)
    assert isinstance(claim, Claimed)
    hand.begin(held, claim, most=3)
    return held
