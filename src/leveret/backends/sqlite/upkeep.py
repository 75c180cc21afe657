"""Upkeep: the outbox, lapsed leases, passed deadlines, and which models are served."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from sqlite3 import Connection
from typing import Final

import msgspec

from leveret.backends.sqlite import records
from leveret.core.card import Card, Listing, Present
from leveret.core.prediction import Prediction, Status

_card_decoder: Final = msgspec.json.Decoder(Card)
_card_encoder: Final = msgspec.json.Encoder()


def publishing(connection: Connection, prediction: Prediction) -> None:
    """It is about to be published: an outbox entry stands for it until that is known to have happened."""
    connection.execute("INSERT INTO outbox (id, created_at) VALUES (?, ?)", (prediction.id, prediction.created_at))


def unpublished(connection: Connection, *, age: float, hold: float, limit: int) -> list[Prediction]:
    """See core.ports.Upkeep."""
    now = time.time()
    rows = connection.execute(
        "SELECT id FROM outbox WHERE created_at <= ? AND held_until <= ? ORDER BY id LIMIT ?", (now - age, now, limit)
    ).fetchall()
    connection.executemany("UPDATE outbox SET held_until = ? WHERE id = ?", [(now + hold, found) for (found,) in rows])
    return _predictions(connection, rows)


def published(connection: Connection, prediction_ids: Sequence[str]) -> None:
    """See core.ports.Upkeep."""
    connection.executemany("DELETE FROM outbox WHERE id = ?", [(prediction_id,) for prediction_id in prediction_ids])


def lapsed(connection: Connection, *, hold: float, limit: int) -> list[Prediction]:
    """See core.ports.Upkeep."""
    now = time.time()
    rows = connection.execute(
        "SELECT id FROM predictions WHERE status = 'processing' AND mend_at <= ? ORDER BY mend_at LIMIT ?", (now, limit)
    ).fetchall()
    connection.executemany(
        "UPDATE predictions SET mend_at = ? WHERE id = ?", [(now + hold, found) for (found,) in rows]
    )
    return _predictions(connection, rows)


def overdue(connection: Connection, *, hold: float, limit: int) -> list[Prediction]:
    """See core.ports.Upkeep."""
    now = time.time()
    rows = connection.execute(
        "SELECT id FROM predictions WHERE overdue_at <= ? ORDER BY overdue_at LIMIT ?", (now, limit)
    ).fetchall()
    connection.executemany(
        "UPDATE predictions SET overdue_at = ? WHERE id = ?", [(now + hold, found) for (found,) in rows]
    )
    return _predictions(connection, rows)


def unbegun(connection: Connection, *, prediction_ids: Sequence[str]) -> list[Prediction]:
    """See core.ports.Upkeep."""
    found = _predictions(connection, [(prediction_id,) for prediction_id in prediction_ids])
    return [prediction for prediction in found if prediction.status is Status.STARTING]


def unreplied(connection: Connection, *, age: float, hold: float, limit: int) -> list[str]:
    """See core.ports.Replies."""
    now = time.time()
    rows: list[tuple[int, str]] = connection.execute(
        "SELECT seq, id FROM replies JOIN predictions ON prediction = seq"
        " WHERE completed_at <= ? AND held_until <= ? ORDER BY completed_at LIMIT ?",
        (now - age, now, limit),
    ).fetchall()
    connection.executemany(
        "UPDATE replies SET held_until = ? WHERE prediction = ?", [(now + hold, seq) for seq, _ in rows]
    )
    return [prediction_id for _, prediction_id in rows]


def replied(connection: Connection, *, prediction_ids: Sequence[str]) -> None:
    """See core.ports.Replies."""
    connection.executemany(
        "DELETE FROM replies WHERE prediction = (SELECT seq FROM predictions WHERE id = ?)",
        [(prediction_id,) for prediction_id in prediction_ids],
    )


def announce(connection: Connection, *, card: Card, worker: str, lease: float, problem: str | None) -> None:
    """See core.ports.Registry."""
    now = time.time()
    if lease > 0:
        connection.execute("REPLACE INTO cards (model, data) VALUES (?, ?)", (card.model, _card_encoder.encode(card)))
    connection.execute(
        "REPLACE INTO presence (model, worker, expires_at, problem) VALUES (?, ?, ?, ?)",
        (card.model, worker, now + lease, problem or None),
    )
    connection.execute("DELETE FROM presence WHERE expires_at <= ?", (now,))


def cards(connection: Connection) -> list[Listing]:
    """See core.ports.Registry."""
    rows: Iterable[tuple[str, str | None]] = connection.execute(
        "SELECT model, problem FROM presence WHERE expires_at > ? ORDER BY worker", (time.time(),)
    )
    present: dict[str, list[str | None]] = {}
    for model, problem in rows:
        present.setdefault(model, []).append(problem)
    known: Iterable[tuple[str, bytes]] = connection.execute("SELECT model, data FROM cards ORDER BY model")
    return [_listing(data, present.get(model, [])) for model, data in known]


def _listing(card: bytes, workers: Sequence[str | None]) -> Listing:
    problems = tuple(problem for problem in workers if problem is not None)
    return Listing(card=_card_decoder.decode(card), workers=len(workers), problems=problems)


def present(connection: Connection) -> list[Present]:
    """See core.ports.Attendance."""
    runs = {
        (model, worker): count
        for model, worker, count in connection.execute(
            "SELECT model, worker, count(*) FROM predictions WHERE status = 'processing' GROUP BY model, worker"
        )
    }
    rows: Iterable[tuple[str, str, float, str | None]] = connection.execute(
        "SELECT model, worker, expires_at, problem FROM presence WHERE expires_at > ? ORDER BY model, worker",
        (time.time(),),
    )
    return [
        Present(model=model, worker=worker, expires_at=until, problem=problem, running=runs.get((model, worker), 0))
        for model, worker, until, problem in rows
    ]


def running(connection: Connection) -> Mapping[str, int]:
    """See core.ports.Registry."""
    return dict(
        connection.execute("SELECT model, count(*) FROM predictions WHERE status = 'processing' GROUP BY model")
    )


def _predictions(connection: Connection, rows: Sequence[tuple[str]]) -> list[Prediction]:
    found = [records.read(connection, prediction_id) for (prediction_id,) in rows]
    return [prediction for prediction in found if prediction is not None]
