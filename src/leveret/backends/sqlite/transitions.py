"""Transitions: what workers, and those who cancel, do to the records. Each function is a whole transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from sqlite3 import Connection

from msgspec.structs import replace

from leveret.backends.sqlite import accounts, records, upkeep
from leveret.backends.sqlite.records import Column, News, Record
from leveret.core.deadlines import bounded, overdue
from leveret.core.events import Canceled, Ending, Entry, Event, Failed, Report, Reset, Started
from leveret.core.ports import Busy, Claim, Claimed, Early, Finished, Pulse, Running
from leveret.core.prediction import Means, Prediction, Status
from leveret.core.retention import Retention
from leveret.core.retry import LOST_WORKER, NO_RUN_LEFT, TOLERANCE, exhausted
from leveret.errors import PredictionNotFound


def claim(
    connection: Connection,
    *,
    predictions: Sequence[Prediction],
    worker: str,
    lease: float,
    most: int | None,
    retention: Retention,
) -> tuple[list[Claim], News]:
    """See core.ports.Runs."""
    now = time.time()
    claims: list[Claim] = []
    news: News = []
    for prediction in predictions:
        record = records.find(connection, prediction.id)
        if record is None:
            record = records.insert(connection, prediction, at=now, retention=retention.data)
        if record.ended or record.model != prediction.model:
            claims.append(Finished())
        elif record.held(now):
            mine = record.holder == worker
            claims.append(Claimed(record.attempt, record.charged, record.suspect) if mine else Busy())
        elif (ending := _ending(prediction, record, most, at=now)) is not None:
            upkeep.published(connection, [prediction.id])  # as its message is here
            claims.append(Finished())
            news.append((prediction.id, records.advance(connection, record, [ending])))
        elif record.status == Status.STARTING and record.due > now:
            claims.append(Early(record.due - now))
        elif (delay := _delay(connection, prediction, record)) is not None:
            claims.append(Early(delay))
        else:
            answer, entries = _start(connection, prediction, record, worker=worker, now=now, lease=lease)
            upkeep.published(connection, [prediction.id])  # as its message is here
            claims.append(answer)
            news.append((prediction.id, entries))
    return claims, news


def beat(connection: Connection, *, runs: Sequence[Running], worker: str, lease: float) -> list[Pulse]:
    """See core.ports.Runs."""
    until = time.time() + lease
    statement = (
        "UPDATE predictions SET lease = ?1, mend_at = ?1"
        " WHERE id = ?2 AND attempt = ?3 AND holder = ?4 AND status = 'processing' RETURNING canceling"
    )
    pulses: list[Pulse] = []
    for run in runs:
        match connection.execute(statement, (until, run.id, run.attempt, worker)).fetchall():
            case [(0,)]:
                pulses.append(Pulse.OURS)
            case [_]:
                pulses.append(Pulse.CANCEL)
            case _:
                pulses.append(_refused(records.find(connection, run.id)))
    return pulses


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
) -> tuple[list[Pulse], News]:
    """See core.ports.Runs."""
    settled: list[Pulse] = []
    news: News = []
    for run, ending in endings:
        record = records.find(connection, run.id)
        done = False
        if record is not None and record.belongs(run, worker):
            due = {"due": time.time() + ending.delay - TOLERANCE} if isinstance(ending, Reset) else None
            entries = records.advance(connection, record, [ending], due)
            done = bool(entries)
            news.append((run.id, entries))
        elif record is not None and record.latest(run, worker):
            done = _repeats(connection, record, ending)
        settled.append(Pulse.OURS if done else _refused(record))
    return settled, news


def end(connection: Connection, *, prediction_id: str, ending: Failed | Canceled) -> tuple[bool, News]:
    """See core.ports.Predictions."""
    record = records.find(connection, prediction_id)
    entries = [] if record is None else records.advance(connection, record, [ending])
    if entries:
        upkeep.published(connection, [prediction_id])  # nobody needs its message any more
    return bool(entries), [(prediction_id, entries)]


def cancel(connection: Connection, *, prediction_id: str) -> tuple[str | None, News]:
    """See core.ports.Predictions."""
    record = records.find(connection, prediction_id)
    if record is None:
        raise PredictionNotFound(prediction_id=prediction_id)
    if record.status == Status.PROCESSING:
        connection.execute("UPDATE predictions SET canceling = 1 WHERE seq = ?", (record.seq,))
        return record.holder, []
    _, news = end(connection, prediction_id=prediction_id, ending=Canceled(time.time(), stopped=Means.NOT_BEGUN))
    return None, news


def _start(
    connection: Connection, prediction: Prediction, record: Record, *, worker: str, now: float, lease: float
) -> tuple[Claim, list[Entry]]:
    """The next run; one whose worker was lost is reset first, and counts against the limit: it may be to blame."""
    claimed = Claimed(record.attempt + 1, record.spent, record.suspect)
    follow: list[Event] = []
    if record.status == Status.PROCESSING:
        follow = [Reset(at=now, attempt=record.attempt, reason=LOST_WORKER, charged=claimed.charged)]
    follow.append(Started(at=now, attempt=claimed.attempt, worker=worker))
    until = now + lease
    columns: dict[str, Column] = {"holder": worker, "appended": 0, "lease": until, "mend_at": until}
    if record.attempt == 0 and prediction.start_by is not None:
        columns["overdue_at"] = prediction.deadline
    return claimed, records.advance(connection, record, follow, columns)


def _delay(connection: Connection, prediction: Prediction, record: Record) -> float | None:
    """For how long it is put off because of its account's limit; what has lost its worker still counts as running."""
    if record.cap is None or record.status == Status.PROCESSING:
        return None
    return accounts.put_off(connection, prediction.account, record.cap)


def _ending(prediction: Prediction, record: Record, most: int | None, *, at: float) -> Canceled | Failed | None:
    """The end of what is not run again, whether it waits or its worker was lost; None: it is."""
    lost = record.status == Status.PROCESSING
    if record.canceling:
        return Canceled(at, error=LOST_WORKER) if lost else Canceled(at, stopped=Means.NOT_BEGUN)
    if bounded(prediction):
        late = overdue(replace(prediction, status=Status(record.status), attempt=record.attempt), at)
        if late is not None:
            return late
    if most is not None and record.spent >= most:
        cause = LOST_WORKER if lost else NO_RUN_LEFT
        return exhausted(cause, at=at, attempt=record.attempt, charged=record.spent, max_attempts=most)
    return None


def _refused(record: Record | None) -> Pulse:
    return Pulse.GONE if record is None else Pulse.LOST


def _repeats(connection: Connection, record: Record, ending: Ending) -> bool:
    """Whether it is this ending that has ended the latest run."""
    if record.removed:
        return False  # there is no log any more that could tell
    last = records.last_event(connection, record)
    return isinstance(last, type(ending)) and last.attempt == ending.attempt
