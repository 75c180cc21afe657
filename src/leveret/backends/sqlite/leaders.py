"""Leaders: which prediction runs for all that ask for the same, in the database."""

from __future__ import annotations

import time
from sqlite3 import Connection


def lead(connection: Connection, *, prediction_id: str, key: str, lifetime: float, instead: str) -> str:
    """See core.ports.Reuse. A whole transaction."""
    now = time.time()
    row = connection.execute("SELECT prediction FROM leaders WHERE key = ? AND expires_at > ?", (key, now)).fetchone()
    if row is not None and row[0] != instead:
        return str(row[0])
    connection.execute(
        "REPLACE INTO leaders (key, prediction, expires_at) VALUES (?, ?, ?)", (key, prediction_id, now + lifetime)
    )
    return prediction_id


def expire(connection: Connection, *, at: float) -> None:
    """Forget who has led for as long as it should."""
    connection.execute("DELETE FROM leaders WHERE expires_at <= ?", (at,))
