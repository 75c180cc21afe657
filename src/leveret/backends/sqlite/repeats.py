"""Repeats: what is remembered of creates that may be sent again.

Plain functions over a connection; each is a part of somebody's transaction.
"""

from __future__ import annotations

from sqlite3 import Connection

from leveret.core.once import Once, Sent
from leveret.core.prediction import Prediction
from leveret.errors import IdempotencyMismatch


def repeated(connection: Connection, prediction: Prediction, once: Once, *, at: float) -> str | None:
    """The id of what this create repeats, if it does. Raises IdempotencyMismatch."""
    match once.sent:
        case Sent.FIRST:
            return None
        case Sent.UNMARKED:
            return _missed(connection, prediction, once, at=at)
        case Sent.NAMED | Sent.AGAIN:
            return _remembered(connection, prediction, once, at=at)


def remember(connection: Connection, prediction: Prediction, once: Once, *, at: float) -> None:
    """It was created by this, which may come again."""
    if once.sent is not Sent.UNMARKED:
        connection.execute(
            "REPLACE INTO once (account, key, prediction, fingerprint, expires_at) VALUES (?, ?, ?, ?, ?)",
            (prediction.account, once.key, prediction.id, once.fingerprint, at + once.lifetime),
        )


def missed(connection: Connection, prediction: Prediction, once: Once, *, at: float) -> None:
    """See core.ports.Predictions."""
    connection.execute(
        "REPLACE INTO missed (account, key, prediction, taker, expires_at) VALUES (?, ?, ?, '', ?)",
        (prediction.account, once.key, prediction.id, at + once.lifetime),
    )


def expire(connection: Connection, *, at: float) -> None:
    """Forget what was remembered for as long as it should."""
    connection.execute("DELETE FROM once WHERE expires_at <= ?", (at,))
    connection.execute("DELETE FROM missed WHERE expires_at <= ?", (at,))


def forget(connection: Connection, prediction_id: str) -> None:
    """The prediction is gone, and nothing repeats it any more."""
    connection.execute("DELETE FROM once WHERE prediction = ?", (prediction_id,))
    connection.execute("DELETE FROM missed WHERE prediction = ?", (prediction_id,))


def _remembered(connection: Connection, prediction: Prediction, once: Once, *, at: float) -> str | None:
    row = connection.execute(
        "SELECT prediction, fingerprint FROM once WHERE account = ? AND key = ? AND expires_at > ?",
        (prediction.account, once.key, at),
    ).fetchone()
    if row is None:
        return None
    earlier, fingerprint = row
    if fingerprint != once.fingerprint:
        raise IdempotencyMismatch
    return str(earlier)


def _missed(connection: Connection, prediction: Prediction, once: Once, *, at: float) -> str | None:
    """One of those that nobody has been answered with; this prediction's create is, from now on."""
    row = connection.execute(
        "UPDATE missed SET taker = ?3 WHERE (account, key, prediction) IN"
        " (SELECT account, key, prediction FROM missed WHERE account = ?1 AND key = ?2 AND taker IN ('', ?3)"
        " AND expires_at > ?4 ORDER BY taker DESC, prediction LIMIT 1) RETURNING prediction",
        (prediction.account, once.key, prediction.id, at),
    ).fetchone()
    return None if row is None else str(row[0])
