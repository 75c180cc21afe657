"""The lines: how the predictions of each model move, counted in the transactions that move them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from sqlite3 import Connection
from typing import Final

from leveret.core.lanes import COUNT
from leveret.core.line import Line
from leveret.core.ports import Outbox

_ENTER: Final = "UPDATE lanes SET entered = entered + 1 WHERE model = ? AND lane = ? RETURNING entered"
_LEAVE: Final = 'UPDATE lanes SET "left" = "left" + 1 WHERE model = ? AND lane = ?'
_QUIT: Final = "UPDATE paces SET quit = quit + 1 WHERE model = ?"
_END: Final = "UPDATE paces SET ended = ended + 1, seconds = seconds + ? WHERE model = ?"


def enter(connection: Connection, *, model: str, lane: int) -> int:
    """One waits in this lane now, or again; answers its ticket."""
    row = connection.execute(_ENTER, (model, lane)).fetchone()
    if row is None:  # the first; to insert or update in one statement takes twice as long every time
        connection.execute("INSERT INTO lanes (model, lane) VALUES (?, ?)", (model, lane))
        connection.execute("INSERT OR IGNORE INTO paces (model) VALUES (?)", (model,))
        row = connection.execute(_ENTER, (model, lane)).fetchone()
    return int(row[0])


def leave(connection: Connection, *, model: str, lane: int) -> None:
    """It waits no longer."""
    connection.execute(_LEAVE, (model, lane))


def give_up(connection: Connection, *, model: str) -> None:
    """It has left without a run."""
    connection.execute(_QUIT, (model,))


def end(connection: Connection, *, model: str, seconds: float) -> None:
    """A run has ended that took so long."""
    connection.execute(_END, (max(0.0, seconds), model))


def read(connection: Connection) -> Mapping[str, Line]:
    """See core.ports.Lines."""
    lanes: dict[str, list[tuple[int, int]]] = {}
    for model, lane, entered, left in connection.execute('SELECT model, lane, entered, "left" FROM lanes'):
        lanes.setdefault(model, [(0, 0)] * COUNT)[lane] = (entered, left)
    paces = {model: rest for model, *rest in connection.execute("SELECT model, quit, ended, seconds FROM paces")}
    return {model: _line(counts, *paces.get(model, ())) for model, counts in lanes.items()}


def outbox(connection: Connection) -> Outbox:
    """See core.ports.Lines."""
    count, oldest = connection.execute("SELECT count(*), min(max(created_at, held_until)) FROM outbox").fetchone()
    return Outbox(count, max(0.0, time.time() - oldest)) if count else Outbox()


def _line(counts: Sequence[tuple[int, int]], quits: int = 0, ended: int = 0, seconds: float = 0.0) -> Line:
    entered, left = zip(*counts, strict=True)
    return Line(entered=entered, left=left, quit=quits, ended=ended, seconds=seconds)
