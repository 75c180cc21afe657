"""How much more a process may be given: batches if its runs take turns, single runs if they do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeAlias

import pytest

from leveret.core.ports import Delivery
from leveret.worker.batcher import Pace, Terms
from leveret.worker.room import Room
from tests.worker.arrange import Family, take_one

MODEL = "local/echo"
SLOW = Terms(fast=False, most=3, at_once=True)
FAST = Terms(fast=True, most=3, at_once=True)


Take: TypeAlias = Callable[[int], Awaitable[Sequence[Delivery]]]


@pytest.fixture
async def take(family: Family) -> AsyncIterator[Take]:
    """Submits so many, and takes them."""
    async with family.broker.consume(MODEL, ahead=100) as deliveries:

        async def take(count: int) -> Sequence[Delivery]:
            await family.submit(MODEL, *({"n": n} for n in range(count)))
            return [await take_one(deliveries) for _ in range(count)]

        yield take


async def waits(room: Room) -> bool:
    """Whether the next batch has to wait."""
    waiting = asyncio.ensure_future(room.wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if waiting.done():
        return False
    waiting.cancel()
    return True


async def test_what_runs_in_turn_makes_room_by_the_batch(take: Take) -> None:
    first, second = await take(2)
    terms = Terms(fast=False, most=2)
    room = Room(terms, lambda: terms)

    stay = room.admit([first, second])
    stay.claimed()
    first.ack()
    before = await waits(room)
    stay.end()

    assert (True, False) == (before, await waits(room))


async def test_of_what_runs_at_once_each_makes_room_for_another_however_it_ends(take: Take) -> None:
    room = Room(SLOW, lambda: SLOW)
    stay = room.admit(await take(3))
    stay.claimed()

    most = [(await waits(room), room.most())]
    acked, retried, rejected = stay.deliveries
    acked.ack()
    most.append((await waits(room), room.most()))
    await retried.retry(0.0)
    rejected.reject()
    most.append((await waits(room), room.most()))

    assert [(True, 0), (False, 1), (False, 3)] == most


async def test_the_next_are_admitted_when_the_last_have_been_claimed(take: Take) -> None:
    room = Room(SLOW, lambda: SLOW)

    stay = room.admit(await take(1))
    before = await waits(room)
    stay.claimed()

    assert (True, False) == (before, await waits(room))


async def test_what_could_not_be_claimed_keeps_nobody_waiting_nor_does_an_older_batch_let_anybody_in(
    take: Take,
) -> None:
    first, second = await take(2)
    room = Room(SLOW, lambda: SLOW)
    older = room.admit([first])
    older.claimed()
    newer = room.admit([second])

    older.deliveries[0].ack()
    older.end()
    before = await waits(room)
    newer.deliveries[0].ack()
    newer.end()

    assert (True, False) == (before, await waits(room))


async def test_fast_runs_are_admitted_by_the_batch(take: Take) -> None:
    room = Room(FAST, lambda: FAST)
    stay = room.admit(await take(4))
    stay.claimed()

    before = await waits(room)
    stay.deliveries[0].ack()

    assert (True, False, 3) == (before, await waits(room), room.most())


async def test_a_process_that_has_become_slow_is_given_no_more_than_it_runs(take: Take) -> None:
    room = Room(FAST, lambda: SLOW)
    stay = room.admit(await take(3))
    stay.claimed()

    before = await waits(room)
    stay.deliveries[0].ack()

    assert (True, False, 1) == (before, await waits(room), room.most())


async def test_a_room_is_empty_when_its_runs_have_left_and_no_slow_one_is_waited_for(take: Take) -> None:
    room = Room(SLOW, lambda: FAST)
    stay = room.admit(await take(2))
    stay.claimed()

    stay.deliveries[0].ack()
    with_one = await room.empty()
    stay.deliveries[1].ack()

    assert (False, True) == (with_one, await room.empty())


def test_the_terms_of_what_runs_at_once_have_room_for_no_fewer() -> None:
    assert [(False, 8), (True, 64), (True, 10), (False, 8)] == [
        (terms.fast, terms.most) for terms in (Pace().terms(1, 8), learned(0.0), learned(0.02), learned(2.0))
    ]
    assert [8, 128, 20, 8] == [terms.room for terms in (Pace().terms(1, 8), learned(0.0), learned(0.02), learned(2.0))]


def learned(seconds: float) -> Terms:
    pace = Pace()
    pace.learn(seconds)
    return pace.terms(1, 8)
