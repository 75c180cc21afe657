"""Hooks: which predictions have news for their webhooks, and the calls, in the database.

Plain functions over a connection; each is a whole transaction. A prediction with a webhook has a row in `hooks`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from sqlite3 import Connection
from typing import Final

import msgspec

from leveret.backends.sqlite import records
from leveret.core.webhooks import KEPT_CALLS, PAUSE, UPDATES, Call, News

_decoder: Final = msgspec.json.Decoder(Call)
_encoder: Final = msgspec.json.Encoder()


def hooked(connection: Connection, *, hold: float, limit: int) -> list[str]:
    """See core.ports.Hooks."""
    now = time.time()
    rows = connection.execute(
        "SELECT seq, id FROM hooks JOIN predictions USING (seq) WHERE look_at <= ? ORDER BY look_at LIMIT ?",
        (now, limit),
    ).fetchall()
    connection.executemany("UPDATE hooks SET look_at = ? WHERE seq = ?", [(now + hold, seq) for seq, _ in rows])
    return [prediction_id for _, prediction_id in rows]


def sent(connection: Connection, *, prediction_ids: Sequence[str], hold: float) -> None:
    """See core.ports.Hooks. Who has seen to it already has it looked at now, or never."""
    now = time.time()
    connection.executemany(
        "UPDATE hooks SET look_at = ? WHERE look_at > ? AND seq = (SELECT seq FROM predictions WHERE id = ?)",
        [(now + hold, now, prediction_id) for prediction_id in prediction_ids],
    )


def news(connection: Connection, *, prediction_id: str) -> News | None:
    """See core.ports.Hooks."""
    row: tuple[int, int, float] | None = connection.execute(
        "SELECT told, updated_at, silenced FROM hooks JOIN predictions USING (seq) WHERE id = ?", (prediction_id,)
    ).fetchone()
    record, prediction = records.find(connection, prediction_id), records.read(connection, prediction_id)
    if row is None or record is None or prediction is None:
        return None
    told, updated_at, silenced = row
    return News(
        prediction=prediction,
        told=told,
        entries=records.entries(connection, record, after=told) if told < record.length else (),
        wait=min(max(0.0, updated_at + PAUSE - time.time()), PAUSE),
        silenced=bool(silenced),
    )


def called(connection: Connection, *, prediction_id: str, call: Call, told: int) -> None:
    """See core.ports.Hooks."""
    record = records.find(connection, prediction_id)
    if record is None:
        return
    connection.execute("INSERT INTO calls (prediction, data) VALUES (?, ?)", (record.seq, _encoder.encode(call)))
    connection.execute(
        "DELETE FROM calls WHERE prediction = ?1 AND number <= "
        "(SELECT number FROM calls WHERE prediction = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
        (record.seq, KEPT_CALLS),
    )
    connection.execute(
        "UPDATE hooks SET told = max(told, ?), updated_at = coalesce(?, updated_at) WHERE seq = ?",
        (told, time.time() if call.event in UPDATES else None, record.seq),
    )


def rest(connection: Connection, *, prediction_id: str, told: int) -> None:
    """See core.ports.Hooks."""
    connection.execute(
        "UPDATE hooks SET told = max(told, ?1), look_at = CASE WHEN NOT silenced AND length > max(told, ?1) THEN 0 END"
        " FROM predictions WHERE predictions.seq = hooks.seq AND id = ?2",
        (told, prediction_id),
    )


def silence(connection: Connection, *, prediction_id: str) -> None:
    """See core.ports.Hooks."""
    connection.execute(
        "UPDATE hooks SET silenced = 1, look_at = NULL WHERE seq = (SELECT seq FROM predictions WHERE id = ?)",
        (prediction_id,),
    )


def calls(connection: Connection, *, prediction_id: str) -> list[Call]:
    """See core.ports.Hooks."""
    rows = connection.execute(
        "SELECT calls.data FROM calls JOIN predictions ON prediction = seq WHERE id = ? ORDER BY number DESC",
        (prediction_id,),
    )
    return [_decoder.decode(data) for (data,) in rows]


def has_news(connection: Connection, *, prediction_id: str) -> bool:
    """Whether there is something that its webhook does not know yet."""
    query = "SELECT 1 FROM hooks JOIN predictions USING (seq) WHERE id = ? AND look_at IS NOT NULL"
    return connection.execute(query, (prediction_id,)).fetchone() is not None


def forget(connection: Connection, *, seq: int) -> None:
    """There is no webhook any more, and it never was called."""
    connection.execute("DELETE FROM hooks WHERE seq = ?", (seq,))
    connection.execute("DELETE FROM calls WHERE prediction = ?", (seq,))


def secret(connection: Connection, *, account: str) -> str | None:
    """The account's secret, if it has one."""
    row: tuple[str] | None = connection.execute(
        "SELECT secret FROM hook_secrets WHERE account = ?", (account,)
    ).fetchone()
    return None if row is None else row[0]


def make_secret(connection: Connection, *, account: str, fresh: str) -> str:
    """The account's secret: this one, if it has none."""
    connection.execute("INSERT OR IGNORE INTO hook_secrets (account, secret) VALUES (?, ?)", (account, fresh))
    return secret(connection, account=account) or fresh
