"""Expiry: what goes of the predictions in the database when its time is over. Each function is a whole transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from sqlite3 import Connection

from msgspec.structs import replace

from leveret.backends.sqlite import hooks, leaders, records, repeats
from leveret.core import wire
from leveret.core.prediction import EMPTY, Prediction
from leveret.core.retention import Retention
from leveret.errors import NotEnded, PredictionNotFound


def outlived(connection: Connection, *, hold: float, limit: int) -> list[Prediction]:
    """See core.ports.Expiry."""
    now = time.time()
    repeats.expire(connection, at=now)
    leaders.expire(connection, at=now)
    rows = connection.execute(
        "SELECT id FROM predictions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?", (now, limit)
    ).fetchall()
    connection.executemany("UPDATE predictions SET expires_at = ? WHERE id = ?", [(now + hold, one) for (one,) in rows])
    told = [one for (one,) in rows if not hooks.has_news(connection, prediction_id=one)]
    found = [records.read(connection, one, hidden=True) for one in told]
    return [prediction for prediction in found if prediction is not None]


def remove_data(connection: Connection, *, predictions: Sequence[Prediction], retention: Retention) -> None:
    """See core.ports.Expiry."""
    now = time.time()
    for prediction in predictions:
        record = records.find(connection, prediction.id)
        if record is not None and record.ended and not record.gone:
            rest = now + retention.remaining(prediction, at=now) if retention.record else None
            _remove_data(connection, prediction, record.seq, until=rest)


def delete(connection: Connection, *, prediction: Prediction, retention: Retention) -> None:
    """See core.ports.Predictions."""
    record = records.find(connection, prediction.id)
    if record is None or record.gone:
        raise PredictionNotFound(prediction_id=prediction.id)
    if not record.ended:
        raise NotEnded(prediction_id=prediction.id, state=record.status)
    _remove_data(connection, prediction, record.seq, until=time.time() + retention.stub)
    connection.execute("UPDATE predictions SET gone = 1, error = NULL WHERE seq = ?", (record.seq,))
    connection.execute("DELETE FROM letters WHERE id = ?", (prediction.id,))
    connection.execute("DELETE FROM replies WHERE prediction = ?", (record.seq,))
    hooks.forget(connection, seq=record.seq)
    repeats.forget(connection, prediction.id)


def remove_records(connection: Connection, *, predictions: Sequence[Prediction]) -> None:
    """See core.ports.Expiry."""
    for prediction in predictions:
        record = records.find(connection, prediction.id)
        if record is not None and record.ended:
            connection.execute("DELETE FROM log WHERE prediction = ?", (record.seq,))
            connection.execute("DELETE FROM replies WHERE prediction = ?", (record.seq,))
            hooks.forget(connection, seq=record.seq)
            connection.execute("DELETE FROM predictions WHERE seq = ?", (record.seq,))
            repeats.forget(connection, prediction.id)


def _remove_data(connection: Connection, prediction: Prediction, seq: int, *, until: float | None) -> None:
    """The record stays `until` then, or for ever."""
    submitted = wire.encode(replace(prediction, input=EMPTY))
    connection.execute("UPDATE log SET data = ? WHERE prediction = ? AND number = 0", (submitted, seq))
    connection.execute("DELETE FROM log WHERE prediction = ? AND number > 0", (seq,))
    connection.execute(
        "UPDATE predictions SET output = x'6e756c6c', output_blob = NULL, live = 0, removed = 1, expires_at = ?"
        " WHERE seq = ?",
        (until, seq),
    )
