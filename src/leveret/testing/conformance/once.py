"""What the gateway may expect of a Store when a create is sent again."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from leveret.core.lanes import lane_for
from leveret.core.once import Once, Sent
from leveret.core.ports import Query, Store
from leveret.core.prediction import Prediction, Status
from leveret.errors import IdempotencyMismatch
from leveret.testing.conformance.arrange import LONG, a_prediction, canceled, claimed, eventually, whole_log

SHORT = 0.05


def named(key: str = "k1", *, fingerprint: str = "f1", lifetime: float = LONG) -> Once:
    """A create with a key of the client's own."""
    return Once(key, Sent.NAMED, lifetime, fingerprint)


FIRST = Once("k1", Sent.FIRST, LONG)
AGAIN = Once("k1", Sent.AGAIN, LONG)
UNMARKED = Once("k1", Sent.UNMARKED, LONG)


class NamedConformance:
    """create with the client's own key."""

    async def test_a_create_with_a_known_key_creates_nothing_and_answers_the_first(self, store: Store) -> None:
        first = await store.create(a_prediction(), once=named())

        again = await store.create(a_prediction(text="not looked at"), once=named())

        assert again == first
        assert await store.search(Query(account="alice")) == [first]
        assert await store.unpublished(age=0, hold=LONG, limit=10) == [first]
        assert (await store.create(a_prediction())).lane == lane_for(1)

    async def test_it_is_answered_as_it_is_now(self, store: Store) -> None:
        first = await store.create(a_prediction(), once=named())
        await claimed(store, first)

        again = await store.create(a_prediction(), once=named())

        assert again.status is Status.PROCESSING
        assert again == await store.get(first.id)

    async def test_what_has_ended_is_answered_too(self, store: Store) -> None:
        first = await store.create(a_prediction(), once=named())
        await store.end(first.id, canceled())

        again = await store.create(a_prediction(), once=named())

        assert (again.id, again.status) == (first.id, Status.CANCELED)

    async def test_many_at_once_create_one(self, store: Store) -> None:
        created = await asyncio.gather(*[store.create(a_prediction(), once=named()) for _ in range(20)])

        assert len({prediction.id for prediction in created}) == 1
        assert len(await store.search(Query(account="alice"))) == 1
        assert len(await store.unpublished(age=0, hold=LONG, limit=10)) == 1

    async def test_another_key_is_another_create(self, store: Store) -> None:
        first = await store.create(a_prediction(), once=named("k1"))

        assert (await store.create(a_prediction(), once=named("k2"))).id != first.id

    async def test_the_same_key_of_another_account_is_another_create(self, store: Store) -> None:
        first = await store.create(a_prediction(account="alice"), once=named())

        other = await store.create(a_prediction(account="bob"), once=named(fingerprint="f2"))

        assert (other.id, other.account) != (first.id, first.account)

    async def test_a_known_key_with_another_fingerprint_is_refused(self, store: Store) -> None:
        first = await store.create(a_prediction(), once=named(fingerprint="f1"))

        with pytest.raises(IdempotencyMismatch):
            await store.create(a_prediction(), once=named(fingerprint="f2"))

        assert await store.search(Query(account="alice")) == [first]
        assert await store.create(a_prediction(), once=named(fingerprint="f1")) == first

    async def test_a_key_is_forgotten_after_its_lifetime(self, store: Store) -> None:
        first = await store.create(a_prediction(), once=named(lifetime=SHORT))

        async def create() -> Prediction:
            return await store.create(a_prediction(), once=named(fingerprint="f2", lifetime=LONG))

        async def refused() -> Prediction | None:
            try:
                return await create()
            except IdempotencyMismatch:
                return None

        second = await eventually(refused, lambda created: created is not None)

        assert second is not None
        assert second.id != first.id
        assert (await create()).id == second.id

    async def test_the_same_create_sent_again_by_the_store_itself_answers_its_own(self, store: Store) -> None:
        prediction = a_prediction()
        first = await store.create(prediction, once=named())

        assert await store.create(prediction, once=named()) == first
        assert len(await whole_log_of_one_canceled(store, prediction)) == 2


class RetriedConformance:
    """create of a client that counts its tries, or marks nothing."""

    async def test_first_tries_are_never_taken_for_each_other(self, store: Store) -> None:
        created = [await store.create(a_prediction(), once=FIRST) for _ in range(3)]

        assert len({prediction.id for prediction in created}) == 3

    async def test_a_further_try_is_answered_the_latest_before_it(self, store: Store) -> None:
        created = [await store.create(a_prediction(), once=FIRST) for _ in range(2)]

        again = [await store.create(a_prediction(), once=AGAIN) for _ in range(2)]

        assert again == [created[1]] * 2

    async def test_a_further_try_of_which_nothing_is_known_creates_and_is_known_then(self, store: Store) -> None:
        second = await store.create(a_prediction(), once=AGAIN)

        third = await store.create(a_prediction(), once=AGAIN)

        assert third == second
        assert await store.search(Query(account="alice")) == [second]

    async def test_a_further_try_that_comes_too_late_creates(self, store: Store) -> None:
        first = await store.create(a_prediction(), once=replace(FIRST, lifetime=SHORT))

        created = await eventually(
            lambda: store.create(a_prediction(), once=replace(AGAIN, lifetime=SHORT)), lambda one: one.id != first.id
        )

        assert created.status is Status.STARTING

    async def test_what_is_not_marked_is_never_taken_for_what_was_answered(self, store: Store) -> None:
        created = [await store.create(a_prediction(), once=UNMARKED) for _ in range(3)]

        assert len({prediction.id for prediction in created}) == 3

    async def test_what_was_missed_is_answered_once(self, store: Store) -> None:
        first = await store.create(a_prediction(), once=UNMARKED)
        await store.missed(first, UNMARKED)

        second, third = [await store.create(a_prediction(), once=UNMARKED) for _ in range(2)]

        assert second == first
        assert third.id != first.id
        assert len(await store.search(Query(account="alice"))) == 2

    async def test_each_that_was_missed_is_answered_to_one(self, store: Store) -> None:
        created = [await store.create(a_prediction(), once=UNMARKED) for _ in range(3)]
        for prediction in created:
            await store.missed(prediction, UNMARKED)

        again = await asyncio.gather(*[store.create(a_prediction(), once=UNMARKED) for _ in range(4)])

        answered = {prediction.id for prediction in again}
        assert len(answered) == 4
        assert answered > {prediction.id for prediction in created}

    async def test_what_was_missed_again_is_answered_again(self, store: Store) -> None:
        first = await store.create(a_prediction(), once=UNMARKED)
        for _ in range(3):
            await store.missed(first, UNMARKED)
            assert await store.create(a_prediction(), once=UNMARKED) == first

    async def test_the_same_create_sent_again_by_the_store_itself_takes_no_other(self, store: Store) -> None:
        created = [await store.create(a_prediction(), once=UNMARKED) for _ in range(2)]
        for prediction in created:
            await store.missed(prediction, UNMARKED)
        asking = a_prediction()

        answers = {(await store.create(asking, once=UNMARKED)).id for _ in range(3)}

        assert len(answers) == 1
        assert answers < {prediction.id for prediction in created}

    async def test_another_request_or_account_is_not_answered_what_was_missed(self, store: Store) -> None:
        first = await store.create(a_prediction(), once=UNMARKED)
        await store.missed(first, UNMARKED)

        other = await store.create(a_prediction(), once=replace(UNMARKED, key="k2"))
        foreign = await store.create(a_prediction(account="bob"), once=UNMARKED)

        assert first.id not in {other.id, foreign.id}

    async def test_what_was_missed_is_forgotten(self, store: Store) -> None:
        brief = replace(UNMARKED, lifetime=SHORT)
        first = await store.create(a_prediction(), once=brief)

        async def missed_too_long_ago() -> bool:
            await store.missed(first, brief)
            await asyncio.sleep(2 * SHORT)
            return (await store.create(a_prediction(), once=brief)).id != first.id

        assert await eventually(missed_too_long_ago, bool)


async def whole_log_of_one_canceled(store: Store, prediction: Prediction) -> list[object]:
    """The log of a prediction that is ended for it."""
    await store.end(prediction.id, canceled())
    return list(await whole_log(store, prediction.id))
