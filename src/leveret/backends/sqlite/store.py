"""The store on SQLite: records, leases, cards, dead letters and the outbox in the embedded database."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from sqlite3 import Connection
from typing import TypeVar

from msgspec.structs import replace

from leveret.backends.sqlite import letters, lines, records, transitions, upkeep
from leveret.backends.sqlite.database import Database, Operation
from leveret.backends.sqlite.doorbells import Doorbells
from leveret.backends.sqlite.records import News
from leveret.core.card import Card, Listing
from leveret.core.events import Canceled, Ending, Entry, Failed, Report, size
from leveret.core.lanes import lane_for
from leveret.core.letters import DeadLetter
from leveret.core.line import Line
from leveret.core.ports import Claim, Pulse, Query, Running, Waiting
from leveret.core.prediction import Prediction
from leveret.errors import PredictionNotFound

T = TypeVar("T")


class SqliteStore:
    """Implements core.ports.Store on the embedded database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._doorbells = Doorbells[Entry](size=lambda entry: size(entry.event))

    async def create(self, prediction: Prediction) -> Prediction:
        """See core.ports.Predictions."""
        return await self._database.write(partial(_create, prediction=prediction), durable=True)

    async def get(self, prediction_id: str) -> Prediction:
        """See core.ports.Predictions."""
        return await self._database.read(partial(_get, prediction_id=prediction_id))

    async def search(self, query: Query) -> list[Prediction]:
        """See core.ports.Predictions."""
        return await self._database.read(partial(_search, query=query))

    async def follow(self, prediction_id: str, *, after: int = 0) -> AsyncGenerator[Entry, None]:
        """See core.ports.Predictions."""
        with self._doorbells.watch(prediction_id) as watcher:
            behind = True
            while True:
                if behind:
                    entries, behind = await self._page(prediction_id, after)
                else:
                    entries = await watcher.news()
                    behind = not entries
                for entry in entries:
                    if entry.number > after:
                        after = entry.number
                        yield entry
                    if entry.final:
                        return

    async def end(self, prediction_id: str, ending: Failed | Canceled) -> bool:
        """See core.ports.Predictions."""
        return await self._change(partial(transitions.end, prediction_id=prediction_id, ending=ending))

    async def cancel(self, prediction_id: str) -> str | None:
        """See core.ports.Predictions."""
        return await self._change(partial(transitions.cancel, prediction_id=prediction_id))

    async def claim(
        self, predictions: Sequence[Prediction], *, worker: str, lease: float, most: int | None = None
    ) -> list[Claim]:
        """See core.ports.Runs."""
        claiming = partial(transitions.claim, predictions=predictions, worker=worker, lease=lease, most=most)
        return await self._change(claiming)

    async def beat(self, runs: Sequence[Running], *, worker: str, lease: float) -> list[Pulse]:
        """See core.ports.Runs."""
        return await self._database.write(partial(transitions.beat, runs=runs, worker=worker, lease=lease))

    async def append(self, run: Running, reports: Sequence[Report], *, worker: str, number: int) -> bool:
        """See core.ports.Runs."""
        return await self._change(partial(transitions.append, run=run, reports=reports, worker=worker, number=number))

    async def settle(self, endings: Sequence[tuple[Running, Ending]], *, worker: str) -> list[bool]:
        """See core.ports.Runs."""
        return await self._change(partial(transitions.settle, endings=endings, worker=worker))

    async def announce(self, card: Card, *, worker: str, lease: float, problem: str | None = None) -> None:
        """See core.ports.Registry."""
        await self._database.write(partial(upkeep.announce, card=card, worker=worker, lease=lease, problem=problem))

    async def cards(self) -> list[Listing]:
        """See core.ports.Registry."""
        return await self._database.read(upkeep.cards)

    async def lines(self) -> Mapping[str, Line]:
        """See core.ports.Lines."""
        return await self._database.read(lines.read)

    async def unpublished(self, *, age: float, hold: float, limit: int) -> list[Prediction]:
        """See core.ports.Upkeep."""
        return await self._database.write(partial(upkeep.unpublished, age=age, hold=hold, limit=limit))

    async def published(self, prediction_ids: Sequence[str]) -> None:
        """See core.ports.Upkeep."""
        await self._database.write(partial(upkeep.published, prediction_ids=prediction_ids))

    async def lapsed(self, *, hold: float, limit: int) -> list[Prediction]:
        """See core.ports.Upkeep."""
        return await self._database.write(partial(upkeep.lapsed, hold=hold, limit=limit))

    async def overdue(self, *, hold: float, limit: int) -> list[Prediction]:
        """See core.ports.Upkeep."""
        return await self._database.write(partial(upkeep.overdue, hold=hold, limit=limit))

    async def letters(self, *, before: str | None = None, limit: int, model: str | None = None) -> list[DeadLetter]:
        """See core.ports.Letters."""
        return await self._database.read(partial(letters.page, before=before, limit=limit, model=model))

    async def letter(self, letter_id: str) -> DeadLetter:
        """See core.ports.Letters."""
        return await self._database.read(partial(letters.find, letter_id=letter_id))

    async def bury(self, letter: DeadLetter) -> None:
        """See core.ports.Letters."""
        await self._database.write(partial(letters.bury, letter=letter))

    async def discard(self, letter_ids: Sequence[str]) -> int:
        """See core.ports.Letters."""
        return await self._database.write(partial(letters.discard, letter_ids=letter_ids))

    async def waiting(self, *, age: float, hold: float, limit: int) -> list[Waiting]:
        """See core.ports.Upkeep. The queues are in this very database: none of them loses what the records have."""
        return []

    async def unbegun(self, prediction_ids: Sequence[str]) -> list[Prediction]:
        """See core.ports.Upkeep."""
        return await self._database.read(partial(upkeep.unbegun, prediction_ids=prediction_ids))

    async def _page(self, prediction_id: str, after: int) -> tuple[list[Entry], bool]:
        """Some of the log's entries behind `after`, and whether there are more."""
        return await self._database.read(partial(_page, prediction_id=prediction_id, after=after))

    async def _change(self, operation: Operation[tuple[T, News]]) -> T:
        answer, _ = await self._database.write(operation, then=self._ring)
        return answer

    def _ring(self, changed: tuple[T, News]) -> None:
        _, news = changed
        for prediction_id, entries in news:
            if entries:
                self._doorbells.ring(prediction_id, entries)


def _create(connection: Connection, *, prediction: Prediction) -> Prediction:
    known = records.read(connection, prediction.id)
    if known is not None:
        return known
    outstanding = records.outstanding(connection, prediction)
    created = replace(prediction, lane=lane_for(outstanding, priority=prediction.priority))
    record = records.insert(connection, created, at=time.time())
    upkeep.publishing(connection, created)
    return replace(created, ticket=record.ticket)


def _get(connection: Connection, *, prediction_id: str) -> Prediction:
    prediction = records.read(connection, prediction_id)
    if prediction is None:
        raise PredictionNotFound(prediction_id=prediction_id)
    return prediction


def _search(connection: Connection, *, query: Query) -> list[Prediction]:
    return [_get(connection, prediction_id=found) for found in records.search(connection, query)]


def _page(connection: Connection, *, prediction_id: str, after: int) -> tuple[list[Entry], bool]:
    record = records.find(connection, prediction_id)
    if record is None:
        raise PredictionNotFound(prediction_id=prediction_id)
    page = records.page(connection, record, after=after)
    return page, page[-1].number < record.length
