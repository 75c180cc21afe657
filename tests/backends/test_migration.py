"""Data folders of other versions: what an earlier one has left is served, what a later one has left is not touched."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from leveret.backends.sqlite.broker import SqliteBroker
from leveret.backends.sqlite.database import open_database
from leveret.backends.sqlite.store import SqliteStore
from leveret.core.events import Started
from leveret.core.letters import DeadLetter
from leveret.core.ports import Claimed, Running
from leveret.core.prediction import Status
from leveret.errors import DataFolderTooNew
from leveret.rejections import Rejections
from leveret.testing.conformance.arrange import LONG, succeeded

FIRST: Final = Path(__file__).with_name("schema_1.sql")
MODEL: Final = "local/double"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of the first version."""
    path = tmp_path / "leveret.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIRST.read_text())
    return path


async def test_what_the_first_version_has_left_goes_on(path: Path) -> None:
    async with open_database(path) as database:
        store, broker = SqliteStore(database), SqliteBroker(database)
        assert b"2" == bytes((await store.get("ended")).output)

        async with broker.consume(MODEL, ahead=0) as deliveries:
            taken = [one.prediction for one in await deliveries.take(10)]
        claims = await store.claim(taken, worker="w", lease=LONG)
        runs = [Running("runs", 2), Running("waits", 1)]
        await store.settle([(run, succeeded(run)) for run in runs], worker="w")

        assert {"runs", "waits"} == {prediction.id for prediction in taken}
        assert {"runs": Claimed(2, 1), "waits": Claimed(1)} == dict(zip([one.id for one in taken], claims, strict=True))
        assert [Status.SUCCEEDED] * 3 == [(await store.get(one)).status for one in ("ended", "runs", "waits")]


async def test_what_the_first_version_could_not_deliver_becomes_dead_letters(path: Path) -> None:
    async with open_database(path) as database:
        store, broker = SqliteStore(database), SqliteBroker(database)
        await Rejections(broker=broker, store=store).collect()

        (letter,) = await store.letters(limit=10)

        assert isinstance(letter, DeadLetter)
        assert b"hello" == letter.body


async def test_it_is_migrated_once_and_then_opened_like_any_other(path: Path) -> None:
    for _ in range(2):
        async with open_database(path) as database:
            entries = [entry async for entry in SqliteStore(database).follow("ended")]
            assert isinstance(entries[1].event, Started)


async def test_a_database_of_a_later_version_is_not_touched(path: Path) -> None:
    async with open_database(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(DataFolderTooNew, match="later leveret") as caught:
        async with open_database(path):
            pass

    assert str(path.parent) == caught.value.data["path"]
    with closing(sqlite3.connect(path)) as connection:
        assert (99,) == connection.execute("PRAGMA user_version").fetchone()
