"""The store on SQLite: records, leases, cards, dead letters and the outbox in the embedded database."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from sqlite3 import Connection
from typing import TypeVar

from msgspec.structs import replace

from leveret.backends.sqlite import (
    accounts,
    credentials,
    expiry,
    hooks,
    leaders,
    letters,
    lines,
    records,
    repeats,
    transitions,
    upkeep,
    uploads,
)
from leveret.backends.sqlite.database import Database, Operation
from leveret.backends.sqlite.doorbells import Doorbells
from leveret.backends.sqlite.records import News
from leveret.core import webhooks
from leveret.core.card import Card, Listing, Present
from leveret.core.events import Canceled, Ending, Entry, Failed, Report, size
from leveret.core.keys import ApiKey
from leveret.core.lanes import lane_for
from leveret.core.letters import DeadLetter
from leveret.core.limits import Allowance
from leveret.core.line import Line
from leveret.core.once import Once
from leveret.core.ports import Claim, Outbox, Pulse, Query, Running, Waiting
from leveret.core.prediction import Prediction
from leveret.core.retention import Retention
from leveret.core.uploads import Upload
from leveret.core.webhooks import Call
from leveret.errors import DataRemoved, PredictionNotFound

T = TypeVar("T")


class SqliteStore:
    """Implements core.ports.Store on the embedded database."""

    def __init__(self, database: Database, *, retention: Retention | None = None) -> None:
        self._database = database
        self._retention = retention or Retention()
        self._doorbells = Doorbells[Entry](size=lambda entry: size(entry.event))

    async def create(
        self, prediction: Prediction, *, once: Once | None = None, within: Allowance | None = None
    ) -> Prediction:
        """See core.ports.Predictions."""
        creating = partial(_create, prediction=prediction, once=once, within=within, retention=self._retention.data)
        return await self._database.write(creating, durable=True)

    async def allowances(self) -> Mapping[str, Allowance]:
        """See core.ports.Accounts."""
        return await self._database.read(accounts.allowances)

    async def allow(self, account: str, allowance: Allowance | None) -> None:
        """See core.ports.Accounts."""
        await self._database.write(partial(accounts.allow, account=account, allowance=allowance), durable=True)

    async def missed(self, prediction: Prediction, once: Once) -> None:
        """See core.ports.Predictions."""
        missing = partial(repeats.missed, prediction=prediction, once=once, at=time.time())
        await self._database.write(missing, durable=True)

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

    async def delete(self, prediction: Prediction) -> None:
        """See core.ports.Predictions."""
        deleting = partial(expiry.delete, prediction=prediction, retention=self._retention)
        await self._database.write(deleting, durable=True)

    async def claim(
        self, predictions: Sequence[Prediction], *, worker: str, lease: float, most: int | None = None
    ) -> list[Claim]:
        """See core.ports.Runs."""
        lasting = partial(transitions.claim, lease=lease, retention=self._retention)
        return await self._change(partial(lasting, predictions=predictions, worker=worker, most=most))

    async def beat(self, runs: Sequence[Running], *, worker: str, lease: float) -> list[Pulse]:
        """See core.ports.Runs."""
        return await self._database.write(partial(transitions.beat, runs=runs, worker=worker, lease=lease))

    async def append(self, run: Running, reports: Sequence[Report], *, worker: str, number: int) -> bool:
        """See core.ports.Runs."""
        return await self._change(partial(transitions.append, run=run, reports=reports, worker=worker, number=number))

    async def settle(self, endings: Sequence[tuple[Running, Ending]], *, worker: str) -> list[Pulse]:
        """See core.ports.Runs."""
        return await self._change(partial(transitions.settle, endings=endings, worker=worker))

    async def announce(self, card: Card, *, worker: str, lease: float, problem: str | None = None) -> None:
        """See core.ports.Registry."""
        await self._database.write(partial(upkeep.announce, card=card, worker=worker, lease=lease, problem=problem))

    async def models(self, prediction_ids: Sequence[str]) -> list[str | None]:
        """See core.ports.Models."""
        return await self._database.read(partial(_models, prediction_ids=prediction_ids))

    async def cards(self) -> list[Listing]:
        """See core.ports.Registry."""
        return await self._database.read(upkeep.cards)

    async def present(self) -> list[Present]:
        """See core.ports.Attendance."""
        return await self._database.read(upkeep.present)

    async def running(self) -> Mapping[str, int]:
        """See core.ports.Registry."""
        return await self._database.read(upkeep.running)

    async def add_key(self, key: ApiKey) -> None:
        """See core.ports.ApiKeys."""
        await self._database.write(partial(credentials.add, key=key), durable=True)

    async def key(self, digest: str) -> ApiKey | None:
        """See core.ports.ApiKeys."""
        return await self._database.read(partial(credentials.find, digest=digest))

    async def api_keys(self) -> list[ApiKey]:
        """See core.ports.ApiKeys."""
        return await self._database.read(credentials.every)

    async def revoke_key(self, digest: str) -> None:
        """See core.ports.ApiKeys."""
        await self._database.write(partial(credentials.revoke, digest=digest), durable=True)

    async def keys_used(self, used: Mapping[str, float]) -> None:
        """See core.ports.ApiKeys."""
        await self._database.write(partial(credentials.note, used=used))

    async def lead(self, prediction_id: str, key: str, *, lifetime: float, instead: str = "") -> str:
        """See core.ports.Reuse."""
        operation = partial(leaders.lead, prediction_id=prediction_id, key=key, lifetime=lifetime, instead=instead)
        return await self._database.write(operation)

    async def lines(self) -> Mapping[str, Line]:
        """See core.ports.Lines."""
        return await self._database.read(lines.read)

    async def outbox(self) -> Outbox:
        """See core.ports.Lines."""
        return await self._database.read(lines.outbox)

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

    async def outlived(self, *, hold: float, limit: int) -> list[Prediction]:
        """See core.ports.Expiry."""
        return await self._database.write(partial(expiry.outlived, hold=hold, limit=limit))

    async def remove_data(self, predictions: Sequence[Prediction]) -> None:
        """See core.ports.Expiry."""
        removing = partial(expiry.remove_data, predictions=predictions, retention=self._retention)
        await self._database.write(removing)

    async def remove_records(self, predictions: Sequence[Prediction]) -> None:
        """See core.ports.Expiry."""
        await self._database.write(partial(expiry.remove_records, predictions=predictions))

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

    async def expect(self, upload: Upload) -> None:
        """See core.ports.Files."""
        await self._database.write(partial(uploads.write, upload=upload, kept=False), durable=True)

    async def keep(self, upload: Upload) -> None:
        """See core.ports.Files."""
        await self._database.write(partial(uploads.write, upload=upload, kept=True), durable=True)

    async def file(self, upload_id: str) -> Upload:
        """See core.ports.Files."""
        return await self._database.read(partial(uploads.find, upload_id=upload_id))

    async def files(self, account: str, *, before: str | None = None, limit: int) -> list[Upload]:
        """See core.ports.Files."""
        return await self._database.read(partial(uploads.page, account=account, before=before, limit=limit))

    async def forget(self, upload: Upload) -> None:
        """See core.ports.Files."""
        await self._database.write(partial(uploads.forget, upload=upload))

    async def expired(self, *, hold: float, limit: int) -> list[Upload]:
        """See core.ports.Files."""
        return await self._database.write(partial(uploads.expired, hold=hold, limit=limit))

    async def secret(self, name: str) -> bytes:
        """See core.ports.Secrets."""
        return await self._database.write(partial(uploads.secret, name=name), durable=True)

    async def unreplied(self, *, age: float, hold: float, limit: int) -> list[str]:
        """See core.ports.Replies."""
        return await self._database.write(partial(upkeep.unreplied, age=age, hold=hold, limit=limit))

    async def replied(self, prediction_ids: Sequence[str]) -> None:
        """See core.ports.Replies."""
        await self._database.write(partial(upkeep.replied, prediction_ids=prediction_ids))

    async def waiting(self, *, age: float, hold: float, limit: int) -> list[Waiting]:
        """See core.ports.Upkeep. The queues are in this very database: none of them loses what the records have."""
        return []

    async def unbegun(self, prediction_ids: Sequence[str]) -> list[Prediction]:
        """See core.ports.Upkeep."""
        return await self._database.read(partial(upkeep.unbegun, prediction_ids=prediction_ids))

    async def hooked(self, *, hold: float, limit: int) -> list[str]:
        """See core.hooks.Hooks."""
        return await self._database.write(partial(hooks.hooked, hold=hold, limit=limit))

    async def sent(self, prediction_ids: Sequence[str], *, hold: float) -> None:
        """See core.hooks.Hooks."""
        await self._database.write(partial(hooks.sent, prediction_ids=prediction_ids, hold=hold))

    async def news(self, prediction_id: str) -> webhooks.News | None:
        """See core.hooks.Hooks."""
        return await self._database.read(partial(hooks.news, prediction_id=prediction_id))

    async def called(self, prediction_id: str, call: Call, *, told: int) -> None:
        """See core.hooks.Hooks."""
        await self._database.write(partial(hooks.called, prediction_id=prediction_id, call=call, told=told))

    async def rest(self, prediction_id: str, *, told: int) -> None:
        """See core.hooks.Hooks."""
        await self._database.write(partial(hooks.rest, prediction_id=prediction_id, told=told))

    async def silence(self, prediction_id: str) -> None:
        """See core.hooks.Hooks."""
        await self._database.write(partial(hooks.silence, prediction_id=prediction_id))

    async def calls(self, prediction_id: str) -> list[Call]:
        """See core.hooks.Hooks."""
        return await self._database.read(partial(hooks.calls, prediction_id=prediction_id))

    async def hook_secret(self, account: str, *, fresh: str) -> str:
        """See core.hooks.Hooks."""
        known = await self._database.read(partial(hooks.secret, account=account))
        if known is not None:
            return known
        return await self._database.write(partial(hooks.make_secret, account=account, fresh=fresh), durable=True)

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


def _create(
    connection: Connection, *, prediction: Prediction, once: Once | None, within: Allowance | None, retention: float
) -> Prediction:
    if records.find(connection, prediction.id) is not None:
        return _get(connection, prediction_id=prediction.id)
    now = time.time()
    if once is not None:
        earlier = repeats.repeated(connection, prediction, once, at=now)
        if earlier is not None:
            return _get(connection, prediction_id=earlier)
    if within is not None:
        accounts.admit(connection, prediction.account, within, at=now)
    if once is not None:
        repeats.remember(connection, prediction, once, at=now)
    outstanding = records.outstanding(connection, prediction)
    created = replace(prediction, lane=lane_for(outstanding, priority=prediction.priority))
    cap = None if within is None else within.running or None
    record = records.insert(connection, created, at=now, retention=retention, cap=cap)
    upkeep.publishing(connection, created)
    return replace(created, ticket=record.ticket)


def _get(connection: Connection, *, prediction_id: str) -> Prediction:
    prediction = records.read(connection, prediction_id)
    if prediction is None:
        raise PredictionNotFound(prediction_id=prediction_id)
    return prediction


def _models(connection: Connection, *, prediction_ids: Sequence[str]) -> list[str | None]:
    found = [records.find(connection, one) for one in prediction_ids]
    return [None if record is None else record.model for record in found]


def _search(connection: Connection, *, query: Query) -> list[Prediction]:
    return [_get(connection, prediction_id=found) for found in records.search(connection, query)]


def _page(connection: Connection, *, prediction_id: str, after: int) -> tuple[list[Entry], bool]:
    record = records.find(connection, prediction_id)
    if record is None or record.gone:
        raise PredictionNotFound(prediction_id=prediction_id)
    if record.removed:
        raise DataRemoved(prediction_id=prediction_id)
    page = records.page(connection, record, after=after)
    return page, page[-1].number < record.length
