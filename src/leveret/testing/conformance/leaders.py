"""What who reuses outputs may expect of a Store: lead."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio

from leveret.core.ports import Store
from leveret.testing.conformance.arrange import LONG, eventually, fresh_id

SHORT = 0.05


class LeadersConformance:
    """Every test takes the fixture `store`."""

    async def test_the_first_leads_and_knows_it_when_it_asks_again(self, store: Store) -> None:
        key, ids = fresh_id(), [fresh_id() for _ in range(3)]

        found = [await store.lead(one, key, lifetime=LONG) for one in (*ids, ids[0])]

        assert found == [ids[0]] * 4

    async def test_one_leads_however_many_ask_at_once(self, store: Store) -> None:
        key, ids = fresh_id(), [fresh_id() for _ in range(10)]

        found = set(await asyncio.gather(*[store.lead(one, key, lifetime=LONG) for one in ids]))

        assert len(found) == 1
        assert found <= set(ids)

    async def test_each_key_has_a_leader_of_its_own(self, store: Store) -> None:
        one, other = fresh_id(), fresh_id()

        assert await store.lead(one, fresh_id(), lifetime=LONG) == one
        assert await store.lead(other, fresh_id(), lifetime=LONG) == other

    async def test_one_leads_in_place_of_another_and_only_in_its_place(self, store: Store) -> None:
        key, first, second, third = fresh_id(), fresh_id(), fresh_id(), fresh_id()
        await store.lead(first, key, lifetime=LONG)

        assert await store.lead(second, key, lifetime=LONG, instead=first) == second
        assert await store.lead(third, key, lifetime=LONG, instead=first) == second

    async def test_nobody_leads_for_longer_than_its_lifetime(self, store: Store) -> None:
        key, first, second = fresh_id(), fresh_id(), fresh_id()
        await store.lead(first, key, lifetime=SHORT)

        assert second == await eventually(lambda: store.lead(second, key, lifetime=SHORT), second.__eq__)
