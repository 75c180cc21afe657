"""Letters: the dead letters in the database.

Plain functions over a connection; each is a whole transaction, but for `write`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from typing import Final

import msgspec

from leveret.core import events
from leveret.core.events import Failed
from leveret.core.letters import DeadLetter
from leveret.errors import DeadLetterNotFound

_decoder: Final = msgspec.json.Decoder(Failed)


def write(connection: Connection, *, seq: int, failure: Failed) -> None:
    """The letter of the prediction in this row: a part of the transaction that ends it."""
    connection.execute(
        "REPLACE INTO letters (id, model, body, failure) SELECT id, model, data, ? FROM predictions"
        " JOIN log ON prediction = seq AND number = 0 WHERE seq = ?",
        (events.encode(failure), seq),
    )


def page(connection: Connection, *, before: str | None, limit: int, model: str | None) -> list[DeadLetter]:
    """See core.ports.Letters."""
    clauses = [clause for clause, given in (("model = ?", model), ("id < ?", before)) if given is not None]
    where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    statement = f"SELECT id, body, failure FROM letters{where} ORDER BY id DESC LIMIT ?"  # noqa: S608 - from here
    return _letters(connection.execute(statement, [*[given for given in (model, before) if given is not None], limit]))


def find(connection: Connection, *, letter_id: str) -> DeadLetter:
    """See core.ports.Letters."""
    found = _letters(connection.execute("SELECT id, body, failure FROM letters WHERE id = ?", (letter_id,)))
    if not found:
        raise DeadLetterNotFound(letter_id=letter_id)
    return found[0]


def bury(connection: Connection, *, letter: DeadLetter) -> None:
    """See core.ports.Letters."""
    prediction = letter.prediction
    connection.execute(
        "INSERT OR IGNORE INTO letters (id, model, body, failure) VALUES (?, ?, ?, ?)",
        (letter.id, "" if prediction is None else prediction.model, letter.body, events.encode(letter.failure)),
    )


def discard(connection: Connection, *, letter_ids: Sequence[str]) -> int:
    """See core.ports.Letters."""
    return sum(
        connection.execute("DELETE FROM letters WHERE id = ?", (letter_id,)).rowcount for letter_id in letter_ids
    )


def _letters(rows: Iterable[tuple[str, bytes, bytes]]) -> list[DeadLetter]:
    return [DeadLetter(found, body, _decoder.decode(failure)) for found, body, failure in rows]
