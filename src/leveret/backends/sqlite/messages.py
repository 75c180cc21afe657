"""Messages: what the broker keeps in the database.

Plain functions over a connection; each is a whole transaction.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from sqlite3 import Connection
from typing import Final

from msgspec import Struct

PAGE: Final = 64
"""How many messages of a lane are read at once: enough to make the reading cheap, few enough to be kept."""

_MOVED_AT_ONCE: Final = 256


class Message(Struct, frozen=True):
    """A message and where it stands: `position` grows from the front of its lane to the back."""

    position: int
    model: str
    lane: int
    body: bytes


class GivenUp(Struct, frozen=True):
    """A message that was rejected, when and why."""

    seq: int
    at: float
    reason: str
    model: str
    body: bytes


class Contents(Struct, frozen=True):
    """What is there when the broker opens; `waiting` counts the messages of each model and lane."""

    models: list[str]
    waiting: list[tuple[str, int, int]]
    last: int
    due: float | None


class Moved(Struct, frozen=True):
    """What became due and stands in its lanes now, and when the next one is due."""

    messages: list[tuple[str, int]]
    due: float | None


def contents(connection: Connection) -> Contents:
    """What is there."""
    (last,) = connection.execute("SELECT coalesce(max(position), 0) FROM messages").fetchone()
    return Contents(
        models=[model for (model,) in connection.execute("SELECT model FROM queues")],
        waiting=connection.execute("SELECT model, lane, count(*) FROM messages GROUP BY model, lane").fetchall(),
        last=last,
        due=_next_due(connection),
    )


def declare(connection: Connection, *, model: str) -> None:
    """Make the model known for good."""
    connection.execute("INSERT OR IGNORE INTO queues (model) VALUES (?)", (model,))


def add(connection: Connection, *, positions: Iterator[int], model: str, lane: int, body: bytes) -> None:
    """A new message at the back of its lane."""
    connection.execute(
        "INSERT INTO messages (position, model, lane, body) VALUES (?, ?, ?, ?)", (next(positions), model, lane, body)
    )


def add_later(connection: Connection, *, due: float, model: str, lane: int, body: bytes) -> None:
    """A new message that joins its lane when it is due."""
    connection.execute("INSERT INTO delayed (due, model, lane, body) VALUES (?, ?, ?, ?)", (due, model, lane, body))


def page(connection: Connection, *, model: str, lane: int, behind: int) -> list[Message]:
    """The next messages of a lane behind a position."""
    rows = connection.execute(
        "SELECT position, body FROM messages WHERE model = ? AND lane = ? AND position > ? ORDER BY position LIMIT ?",
        (model, lane, behind, PAGE),
    )
    return [Message(position, model, lane, body) for position, body in rows]


def remove(connection: Connection, *, position: int) -> None:
    """It is dealt with."""
    connection.execute("DELETE FROM messages WHERE position = ?", (position,))


def delay(connection: Connection, *, message: Message, due: float) -> None:
    """Take it out of its lane until it is due."""
    remove(connection, position=message.position)
    add_later(connection, due=due, model=message.model, lane=message.lane, body=message.body)


def reject(connection: Connection, *, message: Message, reason: str) -> None:
    """Give it up, but keep it."""
    remove(connection, position=message.position)
    connection.execute(
        "INSERT INTO rejected (at, reason, model, lane, body) VALUES (?, ?, ?, ?, ?)",
        (time.time(), reason, message.model, message.lane, message.body),
    )


def given_up(connection: Connection, *, limit: int) -> list[GivenUp]:
    """What was given up and not forgotten, oldest first."""
    rows = connection.execute("SELECT seq, at, reason, model, body FROM rejected ORDER BY seq LIMIT ?", (limit,))
    return [GivenUp(*row) for row in rows]


def forget(connection: Connection, *, seq: int) -> None:
    """Somebody has seen to what was given up."""
    connection.execute("DELETE FROM rejected WHERE seq = ?", (seq,))


def move_due(connection: Connection, *, positions: Iterator[int]) -> Moved:
    """Put what is due into its lanes, but not too much at once."""
    rows: list[tuple[int, str, int, bytes]] = connection.execute(
        "SELECT seq, model, lane, body FROM delayed WHERE due <= ? ORDER BY due LIMIT ?", (time.time(), _MOVED_AT_ONCE)
    ).fetchall()
    for seq, model, lane, body in rows:
        connection.execute("DELETE FROM delayed WHERE seq = ?", (seq,))
        add(connection, positions=positions, model=model, lane=lane, body=body)
    return Moved([(model, lane) for _, model, lane, _ in rows], _next_due(connection))


def _next_due(connection: Connection) -> float | None:
    due: float | None
    (due,) = connection.execute("SELECT min(due) FROM delayed").fetchone()
    return due
