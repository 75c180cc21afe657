"""What the sender of replies may expect of a Store: unreplied and replied."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import pytest
from msgspec.structs import replace

from leveret.core.events import Why
from leveret.core.ports import Finished, Running, Store
from leveret.core.prediction import Prediction, ReplyTo
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    canceled,
    claimed,
    eventually,
    failed,
    reset,
    settle,
    succeeded,
)

SHORT = 0.05
TO = ReplyTo("somebody's queue: naïve ☃", "17")


class RepliesConformance:
    """Who has asked with `reply_to` is owed a reply from the end on, whoever ends it, until it was sent."""

    async def test_where_the_reply_goes_is_in_the_record(self, store: Store) -> None:
        created, rebuilt = await store.create(asked()), await claimed(store, asked())

        assert [(await store.get(one)).reply_to for one in (created.id, rebuilt.id)] == [TO, TO]

    async def test_what_has_not_ended_owes_none(self, store: Store) -> None:
        await store.create(asked())
        await claimed(store, asked())
        again = await claimed(store, asked())

        assert await settle(store, again, reset(again))

        assert await owed(store) == []

    async def test_what_was_asked_without_owes_none(self, store: Store) -> None:
        run = await claimed(store, a_prediction())

        assert await settle(store, run, succeeded(run))
        assert await store.end((await store.create(a_prediction())).id, canceled())

        assert await owed(store) == []

    @pytest.mark.parametrize("dead", [None, Why.EXHAUSTED])
    async def test_a_run_that_ends_it_owes_one(self, store: Store, dead: Why | None) -> None:
        good, bad = [await claimed(store, asked()) for _ in range(2)]

        assert await settle(store, good, succeeded(good))
        assert await settle(store, bad, replace(failed(bad), dead=dead))

        assert sorted(await owed(store)) == sorted([good.id, bad.id])

    async def test_who_ends_it_from_outside_owes_one(self, store: Store) -> None:
        gone, stopped = [await store.create(asked()) for _ in range(2)]

        assert await store.end(gone.id, canceled())
        assert await store.cancel(stopped.id) is None

        assert sorted(await owed(store)) == sorted([gone.id, stopped.id])

    async def test_a_claim_that_ends_it_owes_one(self, store: Store) -> None:
        late = replace(asked(), deadline=1.0)

        assert await store.claim([late], worker="w1", lease=LONG) == [Finished()]

        assert await owed(store) == [late.id]

    async def test_it_is_answered_to_one_for_a_while_and_then_again(self, store: Store) -> None:
        run = await ended(store)

        first = await store.unreplied(age=0, hold=SHORT, limit=10)
        again = await eventually(lambda: store.unreplied(age=0, hold=LONG, limit=10), bool)

        assert ([run.id], [run.id], []) == (first, again, await owed(store))

    async def test_what_has_just_ended_is_left_to_who_ended_it(self, store: Store) -> None:
        run = await ended(store)

        assert await store.unreplied(age=LONG, hold=LONG, limit=10) == []
        assert await eventually(lambda: store.unreplied(age=SHORT, hold=LONG, limit=10), bool) == [run.id]

    async def test_the_oldest_come_first_and_no_more_than_wanted(self, store: Store) -> None:
        runs = [await ended(store) for _ in range(3)]

        first = await store.unreplied(age=0, hold=LONG, limit=2)

        assert len(first) == 2
        assert sorted(first + await owed(store)) == sorted([run.id for run in runs])

    async def test_what_was_sent_is_owed_no_more(self, store: Store) -> None:
        sent, other = await ended(store), await ended(store)

        await store.replied([sent.id, "nothing"])
        await store.replied([])

        assert await owed(store) == [other.id]

    async def test_a_repeated_end_does_not_owe_it_again(self, store: Store) -> None:
        run = await claimed(store, asked())
        ending = succeeded(run)
        assert await settle(store, run, ending)
        await store.replied([run.id])

        assert await settle(store, run, ending)

        assert await owed(store) == []


def asked() -> Prediction:
    """A prediction as a program asks for it over AMQP."""
    return replace(a_prediction(), reply_to=TO)


async def ended(store: Store) -> Running:
    """One that has succeeded."""
    run = await claimed(store, asked())
    assert await settle(store, run, succeeded(run))
    return run


async def owed(store: Store) -> list[str]:
    """Whose replies are owed now and in nobody's hand."""
    return await store.unreplied(age=0, hold=LONG, limit=10)
