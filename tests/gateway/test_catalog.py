"""The catalog over the real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from leveret.backends.sqlite.database import open_database
from leveret.errors import ModelNotFound, StoreUnavailable, VersionNotFound
from leveret.gateway.catalog import Catalog
from tests.gateway.served import ECHO, Store, eventually

NEWER = replace(ECHO, version="1e" * 32)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_database(tmp_path / "leveret.db") as database:
        store = Store(database)
        await store.announce(ECHO, worker="w1", lease=60)
        yield store


async def test_what_is_known_is_not_asked_for_again(store: Store) -> None:
    catalog = Catalog(registry=store)

    for _ in range(3):
        await catalog.model("local/echo")

    assert 1 == store.asked_for_cards


async def test_a_schema_is_compiled_once_per_version(store: Store) -> None:
    catalog = Catalog(registry=store)
    first = await catalog.model("local/echo")
    await store.announce(replace(ECHO, announced_at=ECHO.announced_at + 1), worker="w1", lease=60)
    await catalog.renew()
    again = await catalog.model("local/echo")
    await store.announce(NEWER, worker="w1", lease=60)
    await catalog.renew()

    assert first.schema is again.schema
    assert first.schema is not (await catalog.model("local/echo")).schema


async def test_a_new_version_is_found_as_soon_as_it_is_announced(store: Store) -> None:
    catalog = Catalog(registry=store)
    await catalog.renew()
    await store.announce(NEWER, worker="w1", lease=60)

    by_id = await catalog.version(NEWER.version)
    by_name = await catalog.version(f"local/echo:{NEWER.version}")

    assert NEWER.version == by_id.card.version == by_name.card.version
    with pytest.raises(VersionNotFound):
        await catalog.version(ECHO.version)


async def test_the_revision_counts_changes_only(store: Store) -> None:
    catalog = Catalog(registry=store)
    await catalog.renew()
    before = catalog.revision
    await catalog.renew()
    same = catalog.revision
    await store.announce(NEWER, worker="w1", lease=60)
    await catalog.renew()

    assert (before, before + 1) == (same, catalog.revision)


async def test_what_is_unknown_because_the_store_is_away_is_not_called_unknown(store: Store) -> None:
    store.away = True
    catalog = Catalog(registry=store)

    results = await asyncio.gather(*[catalog.model("local/echo") for _ in range(10)], return_exceptions=True)

    assert [StoreUnavailable] * 10 == [type(result) for result in results]
    assert store.asked_for_cards <= 2
    store.away = False
    assert ECHO == (await catalog.model("local/echo")).card


async def test_what_is_known_stays_known_while_the_store_is_away(store: Store) -> None:
    catalog = Catalog(registry=store)
    await catalog.renew()
    store.away = True

    assert ECHO == (await catalog.model("local/echo")).card
    assert 1 == len(await catalog.models())


async def test_a_long_list_of_known_models_is_cut_short(store: Store) -> None:
    for number in range(30):
        await store.announce(replace(ECHO, model=f"local/m{number:02}"), worker="w1", lease=60)
    catalog = Catalog(registry=store)

    with pytest.raises(ModelNotFound, match=r"local/echo, local/m00, .* and 11 more"):
        await catalog.model("local/unknown")


@pytest.mark.slow
async def test_the_catalog_renews_itself_whatever_happens_to_the_store(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leveret.gateway.catalog.PERIOD", 0.01)
    catalog = Catalog(registry=store)

    async def workers() -> int:
        return sum([served.workers for served in await catalog.models()])

    async with asyncio.TaskGroup() as group:
        task = group.create_task(catalog.run())
        await eventually(workers, lambda count: count == 1)
        store.away = True
        await store.announce(ECHO, worker="w2", lease=60)
        store.away = False
        await eventually(workers, lambda count: count == 2)
        task.cancel()
