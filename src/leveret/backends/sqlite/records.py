"""Records: the predictions in the database, each with its log and a snapshot of what the log makes of it.

Plain functions over a connection; each is a part of somebody's transaction.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from enum import StrEnum
from functools import cache
from sqlite3 import Connection, Cursor
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from leveret.backends.sqlite import letters, lines
from leveret.core import events, lifecycle, wire
from leveret.core.deadlines import due
from leveret.core.events import Entry, Event, Failed, Queued
from leveret.core.lanes import THRESHOLDS
from leveret.core.lifecycle import Field
from leveret.core.ports import Query, Running
from leveret.core.prediction import UNFINISHED, Blob, Means, Prediction, Status
from leveret.core.webhooks import heeds

Column: TypeAlias = str | int | float | bytes | None
News: TypeAlias = list[tuple[str, list[Entry]]]
"""What was added to the logs of which predictions."""

PAGE: Final = 500
"""How many entries are read from a log at once."""

PAGE_BYTES: Final = 1024 * 1024
"""About how many bytes are read from a log at once."""

_decoder: Final = msgspec.json.Decoder(Prediction)
_blob_decoder: Final = msgspec.json.Decoder(Blob)
_blob_encoder: Final = msgspec.json.Encoder()


class Record(Struct, frozen=True):
    """What decides on what can happen to a prediction."""

    seq: int
    status: str
    attempt: int
    holder: str
    lease: float
    length: int
    appended: int
    charged: int
    canceling: int
    suspect: str
    due: float
    model: str
    lane: int
    ticket: int
    started_at: float | None
    cap: int | None = None
    heeded: str = ""
    removed: int = 0
    gone: int = 0

    @property
    def ended(self) -> bool:
        """Whether nothing can change any more."""
        return self.status not in UNFINISHED

    @property
    def spent(self) -> int:
        """How many runs count against the limit, if the latest one does not go on."""
        return self.charged + (self.status == Status.PROCESSING)

    def held(self, at: float) -> bool:
        """Whether a run goes on whose worker shows that it is alive."""
        return self.status == Status.PROCESSING and self.lease > at

    def belongs(self, run: Running, worker: str) -> bool:
        """Whether this run goes on and is this worker's."""
        return self.status == Status.PROCESSING and self.latest(run, worker)

    def latest(self, run: Running, worker: str) -> bool:
        """Whether this worker's run is the latest there was."""
        return self.attempt == run.attempt and self.holder == worker


def find(connection: Connection, prediction_id: str) -> Record | None:
    """The record, if there is one."""
    row = connection.execute(
        "SELECT seq, status, attempt, holder, lease, length, appended, charged, canceling, suspect, due, model, lane,"
        " ticket, started_at, cap, heeded, removed, gone FROM predictions WHERE id = ?",
        (prediction_id,),
    ).fetchone()
    return None if row is None else Record(*row)


def insert(
    connection: Connection, prediction: Prediction, *, at: float, retention: float, cap: int | None = None
) -> Record:
    """A new record in its lane, with the first event in its log.

    Its data stays for `retention` if it says nothing itself; it runs only with less than `cap` others of its account.
    """
    model, lane = prediction.model, prediction.lane
    ticket = lines.enter(connection, model=model, lane=lane)
    attempt, charged = prediction.attempt, prediction.charged
    heeded = "" if prediction.webhook is None else ",".join(prediction.webhook.events)
    stays = prediction.retention or retention or None
    seq = connection.execute(
        "INSERT INTO predictions"
        " (id, account, model, lane, ticket, status, attempt, charged, overdue_at, retention, heeded, cap)"
        " VALUES (?, ?, ?, ?, ?, 'starting', ?, ?, ?, ?, ?, ?)",
        (
            *(prediction.id, prediction.account, model, lane, ticket, attempt, charged),
            *(due(prediction), stays, heeded, cap),
        ),
    ).lastrowid
    assert seq is not None  # noqa: S101 - an INSERT has a rowid
    connection.execute(
        "INSERT INTO log (prediction, number, data) VALUES (?1, 0, ?2), (?1, 1, ?3)",
        (seq, wire.encode(prediction), events.encode(Queued(at=at))),
    )
    if prediction.reply_to is not None:
        connection.execute("INSERT INTO replies (prediction) VALUES (?)", (seq,))
    if prediction.webhook is not None:
        connection.execute("INSERT INTO hooks (seq, told) VALUES (?, 0)", (seq,))
    started = Record(
        seq, Status.STARTING, attempt, "", 0.0, 1, 0, charged, 0, "", 0.0, model, lane, ticket, None, cap, heeded
    )
    return started


def advance(
    connection: Connection, record: Record, follow: Sequence[Event], columns: Mapping[str, Column] | None = None
) -> list[Entry]:
    """Add these events to the log and make of the record what they demand; nothing at all if one of them may not be.

    Answers what was added. `columns` is what the store itself keeps with the record.
    """
    fields: dict[str, Field] = {}
    status: Field = record.status
    attempt: Field = record.attempt
    final = False
    for event in follow:
        change = lifecycle.change(event)
        if status not in change.allowed or change.attempt not in (None, attempt):
            return []
        fields.update(change.fields)
        final = change.final
        status, attempt = fields.get("status", status), fields.get("attempt", attempt)
    values: dict[str, Column] = {name: _column(value) for name, value in fields.items()}
    values["length"] = record.length + len(follow)
    if final:
        values["overdue_at"] = None
        values["expires_at"] = time.time()  # and its retention: see _update
    if columns:
        values.update(columns)
    connection.execute(_update(tuple(values)), (*values.values(), record.seq))
    entries = [Entry(number, event) for number, event in enumerate(follow, record.length + 1)]
    connection.executemany(
        "INSERT INTO log (prediction, number, data) VALUES (?, ?, ?)",
        [(record.seq, entry.number, events.encode(entry.event)) for entry in entries],
    )
    if record.heeded and any(heeds(record.heeded.split(","), type(event)) for event in follow):
        connection.execute(
            "UPDATE hooks SET look_at = coalesce(look_at, 0) WHERE seq = ? AND NOT silenced", (record.seq,)
        )
    _count(connection, record, str(status), at=follow[-1].at)
    if isinstance(event := follow[-1], Failed) and event.dead is not None:
        letters.write(connection, seq=record.seq, failure=event)
    return entries


def outstanding(connection: Connection, prediction: Prediction) -> int:
    """How many of the account's predictions for the model have not ended; not counted beyond the last threshold."""
    (count,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM predictions"
        " WHERE account = ? AND model = ? AND status IN ('starting', 'processing') LIMIT ?)",
        (prediction.account, prediction.model, THRESHOLDS[-1]),
    ).fetchone()
    return int(count)


def read(connection: Connection, prediction_id: str, *, hidden: bool = False) -> Prediction | None:
    """The prediction as it is now, if there is one. One that was deleted is `hidden`."""
    row = connection.execute(
        "SELECT data, status, attempt, charged, suspect, worker, output, output_blob, error, stopped, progress,"
        " started_at, completed_at, removed, reused, live, seq, ticket"
        " FROM predictions JOIN log ON prediction = seq AND number = 0 WHERE id = ? AND gone <= ?",
        (prediction_id, hidden),
    ).fetchone()
    if row is None:
        return None
    data, status, attempt, charged, suspect, worker, output, blob, error, stopped, progress = row[:11]
    started_at, completed_at, removed, reused, live, seq, ticket = row[11:]
    submitted = replace(_decoder.decode(data), ticket=ticket)
    if live:
        return lifecycle.fold(submitted, (events.decode(data) for _, data in _rows(connection, seq, after=0)))
    return replace(
        submitted,
        status=Status(status),
        attempt=attempt,
        charged=charged,
        suspect=suspect,
        worker=worker,
        output=Raw(output),
        output_blob=None if blob is None else _blob_decoder.decode(blob),
        error=error,
        stopped=None if stopped is None else Means(stopped),
        progress=progress,
        started_at=started_at,
        completed_at=completed_at,
        data_removed=bool(removed),
        reused=reused,
    )


def page(connection: Connection, record: Record, *, after: int) -> list[Entry]:
    """The log behind number `after`, as far as it fits on a page; at least one entry, and if need be the last."""
    found: list[Entry] = []
    size = 0
    with closing(_rows(connection, record.seq, after=min(after, record.length - 1))) as rows:
        for number, data in rows:
            found.append(Entry(number, events.decode(data)))
            size += len(data)
            if len(found) == PAGE or size > PAGE_BYTES:
                break
    return found


def entries(connection: Connection, record: Record, *, after: int) -> list[Entry]:
    """The whole log behind number `after`."""
    return [Entry(number, events.decode(data)) for number, data in _rows(connection, record.seq, after=after)]


def last_event(connection: Connection, record: Record) -> Event:
    """The last event of the log."""
    ((_, data),) = _rows(connection, record.seq, after=record.length - 1)
    return events.decode(data)


def search(connection: Connection, query: Query) -> list[str]:
    """The ids that the query asks for, newest first. Each status is a walk along an index of its own."""
    clauses = "account = ? AND status = ? AND gone = 0" + (" AND model = ?" if query.model else "")
    clauses += " AND id < ?" if query.before else ""
    statement = f"SELECT id FROM predictions WHERE {clauses} ORDER BY id DESC LIMIT ?"  # noqa: S608 - clauses from here
    rest = [value for value in (query.model, query.before) if value]
    found: list[str] = []
    for status in [query.status] if query.status else Status:
        rows = connection.execute(statement, (query.account, status.value, *rest, query.limit))
        found += [prediction_id for (prediction_id,) in rows]
    return sorted(found, reverse=True)[: query.limit]


def _count(connection: Connection, record: Record, status: str, *, at: float) -> None:
    """Keep the model's line: the record had its own status, and has this one now."""
    model, lane = record.model, record.lane
    match record.status, status:
        case Status.STARTING, Status.PROCESSING:
            lines.leave(connection, model=model, lane=lane)
        case Status.STARTING, _:
            lines.leave(connection, model=model, lane=lane)
            lines.give_up(connection, model=model)
        case Status.PROCESSING, Status.PROCESSING:
            pass
        case _:
            lines.end(connection, model=model, seconds=at - (record.started_at or at))
            if status == Status.STARTING:
                lines.enter(connection, model=model, lane=lane)


def _rows(connection: Connection, seq: int, *, after: int) -> Cursor:
    """The numbers and the encoded events behind number `after`."""
    statement = "SELECT number, data FROM log WHERE prediction = ? AND number > ? ORDER BY number"
    return connection.execute(statement, (seq, after))


def _column(value: Field) -> Column:
    match value:
        case Raw():
            return bytes(value)
        case Blob():
            return _blob_encoder.encode(value)
        case StrEnum():
            return value.value
        case _:
            return value


@cache
def _update(names: tuple[str, ...]) -> str:
    """The statement for one of the few combinations of columns that events change."""
    sets = [f"{name} = ? + retention" if name == "expires_at" else f"{name} = ?" for name in names]
    return f"UPDATE predictions SET {', '.join(sets)} WHERE seq = ?"  # noqa: S608 - names from here
