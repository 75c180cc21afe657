"""The embedded backend: what the suites ask of it, and what only it can promise."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from sqlite3 import Connection

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.backends.sqlite import doorbells, messages, records
from leveret.backends.sqlite.broker import SqliteBroker
from leveret.backends.sqlite.database import Database, open_database
from leveret.backends.sqlite.store import SqliteStore
from leveret.core import wire
from leveret.core.card import Card, Listing
from leveret.core.events import Logs, name
from leveret.core.ports import Broker, Claimed, Query, Queues, Store
from leveret.core.prediction import Prediction, Status
from leveret.errors import BrokerUnavailable, DataFolderInUse, PredictionNotFound, StoreUnavailable
from leveret.testing.conformance.arrange import (
    LONG,
    PATIENCE,
    a_prediction,
    a_run,
    append,
    claimed,
    eventually,
    settle,
    succeeded,
    unnumbered,
    whole_log,
)
from leveret.testing.conformance.broker import BrokerConformance
from leveret.testing.conformance.steps import MODEL, publish, take, take_one
from leveret.testing.conformance.store import StoreConformance
from tests.backends import embedded_writer

FILE = "leveret.db"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path / FILE) as database:
        yield database


@pytest.fixture
def store(database: Database) -> Store:
    return SqliteStore(database)


@pytest.fixture
async def broker(database: Database) -> Queues:
    return SqliteBroker(database)


class TestSqliteStore(StoreConformance):
    """The whole suite."""


class TestSqliteBroker(BrokerConformance):
    """The whole suite."""


class TestIndexes:
    async def test_what_is_overdue_is_found_without_looking_at_what_has_no_deadline(
        self, store: Store, database: Database
    ) -> None:
        for _ in range(100):
            await store.create(a_prediction())
        statements: list[str] = []
        await database.read(lambda connection: connection.set_trace_callback(statements.append))

        await store.overdue(hold=LONG, limit=10)

        (search,) = [statement for statement in statements if "overdue_at <=" in statement]
        assert ["SEARCH predictions USING INDEX predictions_with_deadline (overdue_at<?)"] == [
            str(step) for *_, step in rows(database, f"EXPLAIN QUERY PLAN {search}")
        ]


class TestOwnership:
    async def test_a_second_open_of_the_same_folder_is_refused(self, tmp_path: Path, database: Database) -> None:
        with pytest.raises(DataFolderInUse) as caught:
            async with open_database(tmp_path / FILE):
                pass

        assert caught.value.data == {"path": str(tmp_path)}
        assert await database.read(lambda _: "still open") == "still open"

    async def test_it_can_be_opened_again_once_it_is_closed(self, tmp_path: Path) -> None:
        for _ in range(3):
            async with open_database(tmp_path / FILE) as database:
                assert await database.read(lambda _: "open") == "open"

    async def test_nothing_is_taken_once_it_is_closed(self, tmp_path: Path) -> None:
        async with open_database(tmp_path / FILE) as database:
            store, broker = SqliteStore(database), SqliteBroker(database)
            await broker.declare(MODEL)
            assert broker.accepting

        assert not broker.accepting
        with pytest.raises(StoreUnavailable):
            await store.create(a_prediction())
        with pytest.raises(BrokerUnavailable):
            await broker.publish(a_prediction())

    async def test_what_is_no_database_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / FILE).write_bytes(b"something else entirely " * 100)

        with pytest.raises(StoreUnavailable, match="not a database"):
            async with open_database(tmp_path / FILE):
                pass


class TestGroups:
    async def test_an_operation_that_fails_after_it_has_written_does_not_harm_its_neighbours(
        self, database: Database
    ) -> None:
        answers = await asyncio.gather(
            database.write(adding("a")),
            database.write(adding_and_failing("b")),
            database.write(adding("c")),
            database.write(adding_and_failing("d")),
            database.write(adding("e"), durable=True),
            return_exceptions=True,
        )

        assert [repr(answer) for answer in answers] == ["'a'", "KeyError('b')", "'c'", "KeyError('d')", "'e'"]
        assert rows(database, "SELECT model FROM queues ORDER BY model") == [("a",), ("c",), ("e",)]

    async def test_an_operation_that_asks_for_the_impossible_does_not_harm_its_neighbours(
        self, store: Store, database: Database
    ) -> None:
        prediction = a_prediction()

        created, missing, wrong = await asyncio.gather(
            store.create(prediction),
            store.get("nothing"),
            database.write(lambda connection: connection.execute("INSERT INTO nowhere VALUES (1)")),
            return_exceptions=True,
        )

        assert isinstance(created, Prediction)
        assert unnumbered(created) == prediction
        assert isinstance(missing, PredictionNotFound)
        assert isinstance(wrong, StoreUnavailable)
        assert isinstance(wrong.__cause__, sqlite3.OperationalError)
        assert await store.get(prediction.id) == created

    async def test_what_the_caller_no_longer_waits_for_is_done_all_the_same(self, database: Database) -> None:
        committed: list[str] = []

        database.write(adding("a"), then=committed.append).cancel()
        await database.write(adding("b"), then=committed.append)

        assert committed == ["a", "b"]
        assert rows(database, "SELECT model FROM queues") == [("a",), ("b",)]

    async def test_only_what_shall_survive_a_power_cut_waits_for_the_disk(self, database: Database) -> None:
        durable = database.write(adding("a"), durable=True)
        other = database.write(adding("b"))

        assert await other == "b"
        assert not durable.done()
        assert await durable == "a"

    async def test_what_was_asked_for_is_done_before_it_closes(self, tmp_path: Path) -> None:
        async with open_database(tmp_path / FILE) as database:
            last = database.write(adding("a"), durable=True)

        assert last.result() == "a"
        async with open_database(tmp_path / FILE) as database:
            assert rows(database, "SELECT model FROM queues") == [("a",)]

    @pytest.mark.slow
    async def test_the_write_ahead_log_begins_anew_while_writing_goes_on(self, tmp_path: Path) -> None:
        log = tmp_path / (FILE + "-wal")
        written = 0

        async def write_more() -> int:
            nonlocal written
            await database.write(lambda connection: connection.execute("REPLACE INTO cards VALUES ('x', ?)", (block,)))
            written += len(block)
            return log.stat().st_size

        block = b"x" * 1_000_000
        async with open_database(tmp_path / FILE, checkpoint_after=0.01) as database:
            await eventually(write_more, lambda size: size < written / 4)


class TestRestart:
    async def test_everything_is_there_again(self, tmp_path: Path) -> None:
        async with open_database(tmp_path / FILE) as database:
            store, broker = SqliteStore(database), SqliteBroker(database)
            queued = await store.create(a_prediction(model=MODEL))
            await publish(broker, queued)
            run = await a_run(store)
            await append(store, run, 1, Logs(at=time.time(), attempt=1, text="so far"))
            await settle(store, run, succeeded(run))
            before = [await store.get(queued.id), await store.get(run.id), await whole_log(store, run.id)]

        async with open_database(tmp_path / FILE) as database:
            store, broker = SqliteStore(database), SqliteBroker(database)
            after = [await store.get(queued.id), await store.get(run.id), await whole_log(store, run.id)]
            waiting = await broker.depth(MODEL)
            async with broker.consume(MODEL, ahead=1) as deliveries:
                delivered = (await take_one(deliveries)).prediction

        assert after == before
        assert waiting == (1, 0, 0, 0)
        assert delivered == unnumbered(queued)

    async def test_lines_follow_from_the_records(self, tmp_path: Path) -> None:
        async with open_database(tmp_path / FILE) as database:
            store = SqliteStore(database)
            waiting = [await store.create(a_prediction(account=f"a{number}")) for number in range(4)]
            await claimed(store, waiting[0])
            run = await claimed(store, waiting[1])
            began = (await store.get(run.id)).started_at
            assert began is not None
            await settle(store, run, replace(succeeded(run), at=began + 2.5))
            (before,) = (await store.lines()).values()

        async with open_database(tmp_path / FILE) as database:
            store = SqliteStore(database)
            (after,) = (await store.lines()).values()
            another = await store.create(a_prediction(account="b"))

        assert ((2, 0, 0, 0), 1, 1) == (after.waiting, after.running, after.ended)
        assert before == after
        assert another.ticket == 5

    async def test_the_runs_of_a_former_process_are_lost_runs(self, tmp_path: Path) -> None:
        async with open_database(tmp_path / FILE) as database:
            run = await a_run(SqliteStore(database), worker="w1", lease=LONG)

        async with open_database(tmp_path / FILE) as database:
            store = SqliteStore(database)
            (lost,) = await store.lapsed(hold=LONG, limit=10)
            claims = await store.claim([lost], worker="w2", lease=LONG)
            late = await settle(store, run, succeeded(run), worker="w1")
            await settle(store, await claimed(store, lost, worker="w2"), succeeded(run), worker="w2")

            assert lost.id == run.id
            assert claims == [Claimed(2, charged=1)]
            assert not late

    async def test_the_workers_of_a_former_process_are_gone_and_their_cards_stay(self, tmp_path: Path) -> None:
        card = Card(model=MODEL, version="1", input_schema=Raw(b"{}"), output_schema=Raw(b"{}"))
        async with open_database(tmp_path / FILE) as database:
            await SqliteStore(database).announce(card, worker="w1", lease=LONG)

        async with open_database(tmp_path / FILE) as database:
            assert await SqliteStore(database).cards() == [Listing(card=card, workers=0)]

    async def test_what_was_held_comes_again_in_its_order_and_what_was_acknowledged_does_not(
        self, tmp_path: Path
    ) -> None:
        predictions = [a_prediction(model=MODEL) for _ in range(5)]
        async with open_database(tmp_path / FILE) as database:
            broker = SqliteBroker(database)
            await publish(broker, *predictions)
            async with broker.consume(MODEL, ahead=5) as deliveries:
                first, second, third = await take(deliveries, 3)
                second.ack()

        async with (
            open_database(tmp_path / FILE) as database,
            SqliteBroker(database).consume(MODEL, ahead=5) as deliveries,
        ):
            again = [delivery.prediction for delivery in await take(deliveries, 4)]

        assert again == [first.prediction, third.prediction, *predictions[3:]]

    async def test_what_became_due_meanwhile_is_delivered(self, tmp_path: Path) -> None:
        prediction = a_prediction(model=MODEL)
        async with open_database(tmp_path / FILE) as database:
            broker = SqliteBroker(database)
            await broker.declare(MODEL)
            await broker.publish(prediction, delay=0.001)

        async with open_database(tmp_path / FILE) as database:
            broker = SqliteBroker(database)
            async with broker.consume(MODEL, ahead=1) as deliveries:
                assert (await take_one(deliveries)).prediction == prediction

    @pytest.mark.slow
    async def test_kill_in_the_middle_of_writing_loses_nothing_that_was_answered(self, tmp_path: Path) -> None:
        answered: set[tuple[str, str]] = set()
        for _ in range(3):
            answered |= await killed_writer(tmp_path / FILE, after=500)

        async with open_database(tmp_path / FILE) as database:
            store, broker = SqliteStore(database), SqliteBroker(database)
            statuses = {id_: (await store.get(id_)).status for _, id_ in answered}
            queued = {wire.decode(body).id for body in bodies(database, "messages")}
            (health,) = rows(database, "PRAGMA integrity_check")
            depth = await broker.depth(embedded_writer.MODEL)

        assert health == ("ok",)
        assert len(answered) > 1000
        assert sum(depth) == len(queued)
        for step, id_ in answered:
            assert step != "settled" or statuses[id_] is Status.SUCCEEDED
            assert step != "published" or id_ in queued or statuses[id_] is Status.SUCCEEDED


class TestBacklog:
    async def test_memory_does_not_grow_with_the_backlog(self, database: Database) -> None:
        broker = await backlog_of(database, 1000, size=10_000)

        tracemalloc.start()
        try:
            async with broker.consume(MODEL, ahead=10) as deliveries:
                for _ in range(5):
                    for delivery in await take(deliveries, 10):
                        delivery.ack()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert peak < 3_000_000
        assert await broker.depth(MODEL) == (950, 0, 0, 0)

    async def test_work_does_not_grow_with_the_backlog(self, database: Database, store: Store) -> None:
        broker = await backlog_of(database, 3000, size=100)
        for _ in range(3):
            await settle(store, run := await a_run(store), succeeded(run))
        run = await a_run(store)

        async def deliver() -> None:
            async with broker.consume(MODEL, ahead=1) as deliveries:
                (await take_one(deliveries)).ack()

        costs = {
            "create": await cost(database, lambda: store.create(a_prediction())),
            "search": await cost(database, lambda: store.search(Query(account="alice", limit=5))),
            "search by status": await cost(
                database, lambda: store.search(Query(account="alice", status=Status.SUCCEEDED))
            ),
            "search by model": await cost(database, lambda: store.search(Query(account="alice", model="no/ne"))),
            "claim": await cost(database, lambda: claimed(store, a_prediction())),
            "settle": await cost(database, lambda: settle(store, run, succeeded(run))),
            "lapsed": await cost(database, lambda: store.lapsed(hold=LONG, limit=10)),
            "publish": await cost(database, lambda: broker.publish(a_prediction(model=MODEL))),
            "depth": await cost(database, lambda: broker.depth(MODEL)),
            "deliver": await cost(database, deliver),
        }

        assert {what: tens for what, tens in costs.items() if tens > 150} == {}

    async def test_a_purge_by_hand_does_not_disturb_consumers(self, database: Database) -> None:
        broker = await backlog_of(database, 10, size=100)
        await database.write(lambda connection: connection.execute("DELETE FROM messages"))

        async with broker.consume(MODEL, ahead=10) as deliveries:
            await broker.publish(fresh := a_prediction(model=MODEL))

            assert (await take_one(deliveries)).prediction == fresh

    async def test_a_body_that_does_not_decode_is_given_up(self, database: Database) -> None:
        broker = await backlog_of(database, 1, size=100)
        await database.write(lambda connection: connection.execute("UPDATE messages SET body = ?", (b'{"id":',)))
        await broker.publish(readable := a_prediction(model=MODEL))

        async with broker.consume(MODEL, ahead=1) as deliveries:
            delivered = (await take_one(deliveries)).prediction

        assert delivered == readable
        async with broker.rejected(limit=10) as found:
            assert [(b'{"id":', None)] == [(one.body, one.prediction) for one in found]
            assert "not a Leveret message" in found[0].reason

    async def test_an_ending_counts_once(self, broker: Broker) -> None:
        await publish(broker, a_prediction(model=MODEL))

        async with broker.consume(MODEL, ahead=1) as deliveries:
            delivery = await take_one(deliveries)
            delivery.ack()
            delivery.reject()
            await delivery.retry(0)

        assert await broker.depth(MODEL) == (0, 0, 0, 0)


class TestWatchers:
    async def test_a_watcher_that_does_not_look_for_long_misses_nothing(self, store: Store) -> None:
        run = await a_run(store)

        async with asyncio.timeout(PATIENCE), aclosing(store.follow(run.id)) as log:
            seen = [await anext(log)]
            for number in range(1, doorbells.LIMIT + 10):
                await append(store, run, number, Logs(at=time.time(), attempt=1, text=f"{number} "))
            await settle(store, run, succeeded(run))
            seen += [entry async for entry in log]

        assert seen == await whole_log(store, run.id)
        assert len(seen) == doorbells.LIMIT + 12

    async def test_a_watcher_hears_of_what_its_writer_did_not_wait_for(self, store: Store) -> None:
        run = await a_run(store)

        async with asyncio.timeout(PATIENCE), aclosing(store.follow(run.id, after=2)) as log:
            watching = asyncio.ensure_future(anext(log))
            settling = asyncio.ensure_future(settle(store, run, succeeded(run)))
            await asyncio.sleep(0)
            settling.cancel()

            assert name((await watching).event) == "succeeded"


def rows(database: Database, statement: str) -> list[tuple[object, ...]]:
    return database.look(lambda connection: connection.execute(statement).fetchall())


def bodies(database: Database, table: str) -> list[bytes]:
    found: list[tuple[bytes]] = database.look(
        lambda connection: connection.execute(f"SELECT body FROM {table}").fetchall()
    )
    return [body for (body,) in found]


def adding(model: str) -> Callable[[Connection], str]:
    """An operation that adds a row and answers what it is."""

    def add(connection: Connection) -> str:
        connection.execute("INSERT INTO queues (model) VALUES (?)", (model,))
        return model

    return add


def adding_and_failing(model: str) -> Callable[[Connection], str]:
    """An operation that adds a row and then thinks better of it."""

    def fail(connection: Connection) -> str:
        raise KeyError(adding(model)(connection))

    return fail


async def backlog_of(database: Database, count: int, *, size: int) -> SqliteBroker:
    """A broker with so many messages, each of a prediction with an input of this size."""

    def fill(connection: Connection) -> None:
        messages.declare(connection, model=MODEL)
        for position in range(1, count + 1):
            prediction = a_prediction(model=MODEL, text="x" * size)
            records.insert(connection, prediction, at=time.time(), retention=0)
            messages.add(
                connection, positions=iter([position]), model=MODEL, lane=prediction.lane, body=wire.encode(prediction)
            )

    await database.write(fill)
    return SqliteBroker(database)


async def cost(database: Database, work: Callable[[], Awaitable[object]]) -> int:
    """How many steps SQLite's machine takes for it, in tens."""
    tens = 0

    def count() -> int:
        nonlocal tens
        tens += 1
        return 0

    database.look(lambda connection: connection.set_progress_handler(count, 10))
    await work()
    await database.read(lambda connection: connection.set_progress_handler(None, 0))
    return tens


async def killed_writer(path: Path, *, after: int) -> set[tuple[str, str]]:
    """Run the writer, kill it once it has said so much, and answer what it has said."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, embedded_writer.__file__, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    said = [await writer.stdout.readline() for _ in range(after)]
    writer.kill()
    said += (await writer.stdout.read()).splitlines(keepends=True)
    await writer.wait()
    whole = [line.decode().split() for line in said if line.endswith(b"\n")]
    return {(step, prediction_id) for step, prediction_id in whole}
