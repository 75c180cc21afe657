"""What everyone may expect of a Store about the models that are served: announce, cards, present, running."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import time

from msgspec import Raw
from msgspec.structs import replace

from leveret.core.card import Card, Listing, Present
from leveret.core.ports import Store
from leveret.testing.conformance.arrange import LONG, a_prediction, claimed, eventually, reset, settle, succeeded

ECHO = Card(
    model="local/echo",
    version="1",
    input_schema=Raw(b'{"type":"object","properties":{"text":{"type":"string"}}}'),
    output_schema=Raw(b'{"type":"string"}'),
    description="Says it again: ☃",
    batch=16,
    streams=True,
    announced_at=1_700_000_000.5,
)
OTHER = replace(ECHO, model="acme/ocr")


class RegistryConformance:
    """announce, cards and running."""

    async def test_no_model_is_known_at_first(self, store: Store) -> None:
        assert await store.cards() == []

    async def test_an_announced_card_is_listed_as_it_was_given(self, store: Store) -> None:
        await store.announce(ECHO, worker="w1", lease=LONG)

        assert await store.cards() == [Listing(card=ECHO, workers=1)]

    async def test_models_are_listed_by_name_with_their_workers(self, store: Store) -> None:
        await store.announce(ECHO, worker="w1", lease=LONG)
        await store.announce(OTHER, worker="w2", lease=LONG)
        await store.announce(ECHO, worker="w3", lease=LONG)

        assert await store.cards() == [Listing(card=OTHER, workers=1), Listing(card=ECHO, workers=2)]

    async def test_a_worker_that_announces_again_counts_once(self, store: Store) -> None:
        for _ in range(3):
            await store.announce(ECHO, worker="w1", lease=LONG)

        assert await store.cards() == [Listing(card=ECHO, workers=1)]

    async def test_one_worker_may_serve_several_models(self, store: Store) -> None:
        await store.announce(ECHO, worker="w1", lease=LONG)
        await store.announce(OTHER, worker="w1", lease=LONG)
        await store.announce(OTHER, worker="w1", lease=0)

        assert await store.cards() == [Listing(card=OTHER, workers=0), Listing(card=ECHO, workers=1)]

    async def test_presence_ends_with_the_lease_and_the_card_stays(self, store: Store) -> None:
        await store.announce(ECHO, worker="w1", lease=0.05)
        await store.announce(ECHO, worker="w2", lease=LONG)

        listed = await eventually(store.cards, lambda listings: listings[0].workers == 1)

        assert listed == [Listing(card=ECHO, workers=1)]

    async def test_announcing_again_renews_the_presence(self, store: Store) -> None:
        await store.announce(ECHO, worker="w1", lease=0.05)
        await store.announce(ECHO, worker="w1", lease=LONG)
        await store.announce(OTHER, worker="canary", lease=0.05)

        listed = await eventually(store.cards, lambda listings: listings[0].workers == 0)

        assert listed == [Listing(card=OTHER, workers=0), Listing(card=ECHO, workers=1)]

    async def test_a_worker_that_goes_is_no_longer_counted_and_the_card_stays(self, store: Store) -> None:
        await store.announce(ECHO, worker="w1", lease=LONG)

        await store.announce(ECHO, worker="w1", lease=0)

        assert await store.cards() == [Listing(card=ECHO, workers=0)]

    async def test_a_problem_is_listed_until_its_worker_has_none(self, store: Store) -> None:
        await store.announce(ECHO, worker="w1", lease=LONG, problem="RuntimeError: no device ☃")
        at_first = await store.cards()
        await store.announce(ECHO, worker="w1", lease=LONG, problem="OSError: no weights")
        later = await store.cards()
        await store.announce(ECHO, worker="w1", lease=LONG)

        assert at_first == [Listing(card=ECHO, workers=1, problems=("RuntimeError: no device ☃",))]
        assert later == [Listing(card=ECHO, workers=1, problems=("OSError: no weights",))]
        assert await store.cards() == [Listing(card=ECHO, workers=1)]

    async def test_each_worker_has_its_own_problem_by_the_order_of_their_names(self, store: Store) -> None:
        await store.announce(ECHO, worker="w3", lease=LONG, problem="third")
        await store.announce(ECHO, worker="w1", lease=LONG, problem="first")
        await store.announce(ECHO, worker="w2", lease=LONG)
        await store.announce(OTHER, worker="w1", lease=LONG)

        assert await store.cards() == [
            Listing(card=OTHER, workers=1),
            Listing(card=ECHO, workers=3, problems=("first", "third")),
        ]

    async def test_a_problem_goes_with_its_worker(self, store: Store) -> None:
        await store.announce(ECHO, worker="w1", lease=LONG, problem="no device")

        await store.announce(ECHO, worker="w1", lease=0, problem="no device")

        assert await store.cards() == [Listing(card=ECHO, workers=0)]

    async def test_a_problem_ends_with_the_lease_for_good(self, store: Store) -> None:
        await store.announce(ECHO, worker="w1", lease=0.05, problem="no device")

        listed = await eventually(store.cards, lambda listings: listings[0].workers == 0)
        await store.announce(OTHER, worker="w2", lease=LONG)
        await store.announce(ECHO, worker="w1", lease=LONG)

        assert listed == [Listing(card=ECHO, workers=0)]
        assert await store.cards() == [Listing(card=OTHER, workers=1), Listing(card=ECHO, workers=1)]

    async def test_a_new_version_replaces_the_card(self, store: Store) -> None:
        newer = replace(ECHO, version="2", input_schema=Raw(b"{}"))
        await store.announce(ECHO, worker="w1", lease=LONG)

        await store.announce(newer, worker="w2", lease=LONG)

        assert await store.cards() == [Listing(card=newer, workers=2)]

    async def test_an_old_worker_that_goes_does_not_bring_its_old_card_back(self, store: Store) -> None:
        newer = replace(ECHO, version="2")
        await store.announce(ECHO, worker="w1", lease=LONG)
        await store.announce(newer, worker="w2", lease=LONG)

        await store.announce(ECHO, worker="w1", lease=0)

        assert await store.cards() == [Listing(card=newer, workers=1)]

    async def test_who_is_present_is_listed_with_what_they_run(self, store: Store) -> None:
        await store.announce(ECHO, worker="w1", lease=LONG)  # under this name `claimed` claims
        await store.announce(ECHO, worker="w2", lease=LONG, problem="no device")
        await store.announce(OTHER, worker="w3", lease=LONG)
        await store.announce(OTHER, worker="gone", lease=0)
        await claimed(store, await store.create(a_prediction()))
        await claimed(store, await store.create(a_prediction()))
        until = time.time() + LONG

        found = await store.present()

        assert all(abs(one.expires_at - until) < 5 for one in found)
        assert [replace(one, expires_at=0.0) for one in found] == [
            Present(model="acme/ocr", worker="w3", expires_at=0.0),
            Present(model="local/echo", worker="w1", expires_at=0.0, running=2),
            Present(model="local/echo", worker="w2", expires_at=0.0, problem="no device"),
        ]

    async def test_what_runs_is_counted_by_model(self, store: Store) -> None:
        echoes = [await store.create(a_prediction(account=account)) for account in ("alice", "bob", "bob")]
        other = await store.create(a_prediction(model="acme/ocr"))
        assert dict(await store.running()) == {}

        runs = [await claimed(store, prediction) for prediction in (*echoes[:2], other)]

        assert dict(await store.running()) == {"local/echo": 2, "acme/ocr": 1}
        await settle(store, runs[0], succeeded(runs[0]))
        await settle(store, runs[2], reset(runs[2]))
        assert dict(await store.running()) == {"local/echo": 1}
