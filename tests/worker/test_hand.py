"""What a worker holds: none of it twice, each dealt with once, and signs of life."""

from __future__ import annotations

from leveret.core.events import Reset
from leveret.core.ports import Claimed
from leveret.core.prediction import Status
from leveret.worker.hand import Hand, Held
from tests.worker.arrange import Family, take_one

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
        held = await claimed(family, hand.hold(await take_one(deliveries)), lease=0.0)
        await hand.beat()

        assert [] == await family.store.lapsed(hold=1.0, limit=1)
        assert held.alive


async def test_a_run_that_has_become_another_workers_gets_no_more_beats(family: Family) -> None:
    await family.submit(MODEL, {"n": 1})

    async with family.broker.consume(MODEL, ahead=1) as deliveries:
        hand = a_hand(family)
        held = await claimed(family, hand.hold(await take_one(deliveries)), lease=0.0)
        (claim,) = await family.store.claim([held.prediction], worker="another", lease=60.0)
        await hand.beat()

        assert Claimed(2, charged=1) == claim
        assert not held.alive


async def test_a_run_that_was_run_and_handed_back_since_its_record_was_lost_is_not_taken_again(family: Family) -> None:
    (submitted,) = await family.submit(MODEL, {"n": 1})

    async with family.broker.consume(MODEL, ahead=0) as deliveries:
        hand = a_hand(family)
        held = await claimed(family, hand.hold(await take_one(deliveries)), lease=60.0)
        await family.lose_records()
        await family.store.claim([held.prediction], worker="another", lease=60.0)
        await family.store.settle([(held.run, Reset(1.0, 1, "stopped", charged=0))], worker="another")
        rebuilt = await hand.rebuild([held])

    assert [] == rebuilt
    left = await family.store.get(submitted)
    assert (Status.STARTING, 2, 0) == (left.status, left.attempt, left.charged)


def a_hand(family: Family) -> Hand:
    return Hand(runs=family.store, worker="w1", lease=60.0)


async def claimed(family: Family, held: Held, *, lease: float) -> Held:
    """The same, once its run is claimed for so long."""
    (claim,) = await family.store.claim([held.prediction], worker="w1", lease=lease)
    assert isinstance(claim, Claimed)
    held.begin(claim)
    return held
