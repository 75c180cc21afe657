"""Transitions: what workers, and those who cancel, do to the records. Each function is a whole transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from sqlite3 import Connection

from leveret.backends.sqlite import records, upkeep
from leveret.backends.sqlite.records import News, Record
from leveret.core.events import Canceled, Ending, Entry, Event, Failed, Report, Reset, Started
from leveret.core.ports import Busy, Claim, Claimed, Finished, Running
from leveret.core.prediction import Prediction, Status


def claim(
    connection: Connection, *, predictions: Sequence[Prediction], worker: str, lease: float
) -> tuple[list[Claim], News]:
    """See core.ports.Runs."""
    now = time.time()
    claims: list[Claim] = []
    news: News = []
    for prediction in predictions:
        record = records.find(connection, prediction.id) or records.insert(connection, prediction, at=now)
        if record.ended:
            claims.append(Finished())
        elif record.held(now):
            claims.append(Claimed(record.attempt) if record.holder == worker else Busy())
        else:
            entries = _start(connection, record, worker=worker, now=now, lease=lease)
            upkeep.published(connection, [prediction.id])  # as its message is here
            claims.append(Claimed(record.attempt + 1))
            news.append((prediction.id, entries))
    return claims, news


def beat(connection: Connection, *, runs: Sequence[Running], worker: str, lease: float) -> list[bool]:
    """See core.ports.Runs."""
    until = time.time() + lease
    statement = (
        "UPDATE predictions SET lease = ?1, mend_at = ?1"
        " WHERE id = ?2 AND attempt = ?3 AND holder = ?4 AND status = 'processing'"
    )
    return [connection.execute(statement, (until, run.id, run.attempt, worker)).rowcount == 1 for run in runs]


def append(
    connection: Connection, *, run: Running, reports: Sequence[Report], worker: str, number: int
) -> tuple[bool, News]:
    """See core.ports.Runs."""
    record = records.find(connection, run.id)
    if record is None or not record.belongs(run, worker):
        return False, []
    if number <= record.appended or not reports:
        return True, []
    entries = records.advance(connection, record, reports, {"appended": number, "live": 1})
    return bool(entries), [(run.id, entries)]


def settle(
    connection: Connection, *, endings: Sequence[tuple[Running, Ending]], worker: str
) -> tuple[list[bool], News]:
    """See core.ports.Runs."""
    settled: list[bool] = []
    news: News = []
    for run, ending in endings:
        record = records.find(connection, run.id)
        if record is None or not record.latest(run, worker):
            settled.append(False)
        elif record.belongs(run, worker):
            entries = records.advance(connection, record, [ending])
            settled.append(bool(entries))
            news.append((run.id, entries))
        else:
            settled.append(_repeats(connection, record, ending))
    return settled, news


def end(connection: Connection, *, prediction_id: str, ending: Failed | Canceled) -> tuple[bool, News]:
    """See core.ports.Predictions."""
    record = records.find(connection, prediction_id)
    entries = [] if record is None else records.advance(connection, record, [ending])
    if entries:
        upkeep.published(connection, [prediction_id])  # nobody needs its message any more
    return bool(entries), [(prediction_id, entries)]


def _start(connection: Connection, record: Record, *, worker: str, now: float, lease: float) -> list[Entry]:
    """The next run; one whose worker was lost is reset first."""
    started = Started(at=now, attempt=record.attempt + 1, worker=worker)
    follow: list[Event] = [started]
    if record.status == Status.PROCESSING:
        follow = [Reset(at=now, attempt=record.attempt, reason="its worker was lost"), started]
    until = now + lease
    return records.advance(
        connection, record, follow, {"holder": worker, "appended": 0, "lease": until, "mend_at": until}
    )


def _repeats(connection: Connection, record: Record, ending: Ending) -> bool:
    """Whether it is this ending that has ended the latest run."""
    last = records.last_event(connection, record)
    return isinstance(last, type(ending)) and last.attempt == ending.attempt
