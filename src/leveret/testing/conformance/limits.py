"""What a gateway may expect of a Store that an account's limits are kept: create within, claim, allow, allowances."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio

import pytest

from leveret.core.limits import Allowance
from leveret.core.ports import Claimed, Early, Running, Store
from leveret.core.prediction import Prediction
from leveret.errors import LimitReached, RateExceeded, TooManyQueued
from leveret.testing.conformance.arrange import (
    LONG,
    a_prediction,
    canceled,
    claimed,
    eventually,
    reset,
    settle,
    succeeded,
)
from leveret.testing.conformance.once import named

FEW = Allowance(rate=0, queued=2, running=0)
ONE_AT_A_TIME = Allowance(running=1)


async def refusal(store: Store, within: Allowance, *, account: str = "alice") -> LimitReached:
    """Why the store does not create one more."""
    with pytest.raises(LimitReached) as refused:
        await store.create(a_prediction(account=account), within=within)
    return refused.value


async def claim(store: Store, prediction: Prediction, *, worker: str = "w1") -> Claimed | Early:
    """What becomes of this claim."""
    (answer,) = await store.claim([prediction], worker=worker, lease=LONG)
    assert isinstance(answer, Claimed | Early)
    return answer


class LimitsConformance:
    """Every test takes the fixture `store`."""

    async def test_no_more_wait_than_may_even_if_many_come_at_once(self, store: Store) -> None:
        creates = [store.create(a_prediction(), within=FEW) for _ in range(10)]

        created = await asyncio.gather(*creates, return_exceptions=True)

        assert sum(isinstance(one, Prediction) for one in created) == 2
        assert sum(isinstance(one, TooManyQueued) for one in created) == 8
        assert len(await store.unpublished(age=0, hold=LONG, limit=10)) == 2

    async def test_what_begins_or_is_canceled_makes_room(self, store: Store) -> None:
        first, second = [await store.create(a_prediction(), within=FEW) for _ in range(2)]

        await claimed(store, first)
        await store.create(a_prediction(), within=FEW)
        full = await refusal(store, FEW)
        await store.end(second.id, canceled())
        await store.create(a_prediction(), within=FEW)

        assert isinstance(full, TooManyQueued)
        assert full.data["queued"] == 2
        assert isinstance(await refusal(store, FEW), TooManyQueued)

    async def test_what_waits_for_another_run_counts_again(self, store: Store) -> None:
        run = await claimed(store, await store.create(a_prediction(), within=FEW))
        await store.create(a_prediction(), within=FEW)

        await settle(store, run, reset(run))

        assert isinstance(await refusal(store, FEW), TooManyQueued)

    async def test_one_account_does_not_fill_the_place_of_another(self, store: Store) -> None:
        for _ in range(2):
            await store.create(a_prediction(account="alice"), within=FEW)

        assert (await store.create(a_prediction(account="bob"), within=FEW)).account == "bob"

    async def test_the_rate_holds_for_all_models_of_an_account_and_comes_back(self, store: Store) -> None:
        within = Allowance(rate=20, burst=2)
        for model in ("local/echo", "local/other"):
            await store.create(a_prediction(model=model), within=within)

        refused = await refusal(store, within)
        await store.create(a_prediction(account="bob"), within=within)

        assert isinstance(refused, RateExceeded)
        assert 0 < float(str(refused.data["retry_after"])) <= 0.05

        async def again() -> bool:
            try:
                return bool(await store.create(a_prediction(), within=within))
            except RateExceeded:
                return False

        assert await eventually(again, bool)

    async def test_a_create_that_is_refused_leaves_nothing(self, store: Store) -> None:
        slow = Allowance(rate=0.001, burst=1)
        await store.create(a_prediction(account="alice"), within=slow)
        await refusal(store, slow)

        assert len(await store.unpublished(age=0, hold=LONG, limit=10)) == 1
        assert {model: sum(line.entered) for model, line in (await store.lines()).items()} == {"local/echo": 1}

    async def test_a_create_that_comes_again_is_answered_whatever_the_limits(self, store: Store) -> None:
        within = Allowance(rate=0.001, burst=1, queued=1)
        first = await store.create(a_prediction(), once=named(), within=within)

        assert first == await store.create(a_prediction(), once=named(), within=within)

    async def test_no_more_run_than_may(self, store: Store) -> None:
        first, second = [await store.create(a_prediction(), within=ONE_AT_A_TIME) for _ in range(2)]

        begun = await claim(store, first)
        put_off = await claim(store, second, worker="w2")
        await settle(store, Running(first.id, 1), succeeded(Running(first.id, 1)))
        after = await claim(store, second, worker="w2")

        assert (Claimed(1), Claimed(1)) == (begun, after)
        assert isinstance(put_off, Early)
        assert 1 <= put_off.delay <= 60

    async def test_the_more_wait_the_longer_each_is_put_off(self, store: Store) -> None:
        crowd = [await store.create(a_prediction(), within=ONE_AT_A_TIME) for _ in range(7)]
        await claim(store, crowd[0])

        put_off = await claim(store, crowd[1])

        assert Early(6.0) == put_off

    async def test_a_lost_run_is_taken_over_although_it_counts(self, store: Store) -> None:
        prediction = await store.create(a_prediction(), within=ONE_AT_A_TIME)
        await claimed(store, prediction, lease=0.01)

        run = await claimed(store, prediction, worker="w2")
        await settle(store, run, succeeded(run), worker="w2")

        another = await store.create(a_prediction(), within=ONE_AT_A_TIME)
        assert Claimed(1) == await claim(store, another)

    async def test_a_run_that_is_reset_leaves_its_place(self, store: Store) -> None:
        first, second = [await store.create(a_prediction(), within=ONE_AT_A_TIME) for _ in range(2)]
        run = await claimed(store, first)

        await settle(store, run, reset(run))

        assert Claimed(1) == await claim(store, second)
        assert isinstance(await claim(store, first), Early)

    async def test_what_has_no_limit_does_not_count(self, store: Store) -> None:
        for _ in range(3):
            await claimed(store, await store.create(a_prediction()))

        assert (await store.running())["local/echo"] == 3

    async def test_what_accounts_may_is_kept(self, store: Store) -> None:
        await store.allow("alice", Allowance(rate=0.5, queued=0))
        await store.allow("bob", Allowance(running=3))
        await store.allow("alice", Allowance(burst=7))
        await store.allow("carol", Allowance(burst=1))
        await store.allow("carol", None)

        assert {"alice": Allowance(burst=7), "bob": Allowance(running=3)} == await store.allowances()
