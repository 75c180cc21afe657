"""Uploads: what is known of clients' files, and the secrets of the installation, in the database.

Plain functions over a connection; each is a whole transaction.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from sqlite3 import Connection
from typing import Final

import msgspec

from leveret.core.uploads import Upload
from leveret.errors import UploadNotFound

SECRET_BYTES: Final = 32

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Upload)


def write(connection: Connection, *, upload: Upload, kept: bool) -> None:
    """See core.ports.Files: `expect` and `keep`."""
    connection.execute(
        "INSERT INTO uploads (id, account, expires_at, kept, data) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET kept = excluded.kept, data = excluded.data",
        (upload.id, upload.account, upload.expires_at, kept, _encoder.encode(upload)),
    )


def find(connection: Connection, *, upload_id: str) -> Upload:
    """See core.ports.Files."""
    found = _uploads(connection.execute("SELECT data FROM uploads WHERE id = ? AND kept", (upload_id,)))
    if not found:
        raise UploadNotFound(upload_id=upload_id)
    return found[0]


def page(connection: Connection, *, account: str, before: str | None, limit: int) -> list[Upload]:
    """See core.ports.Files."""
    statement = "SELECT data FROM uploads WHERE account = ? AND kept AND id < ? ORDER BY id DESC LIMIT ?"
    return _uploads(connection.execute(statement, (account, "~" if before is None else before, limit)))


def forget(connection: Connection, *, upload: Upload) -> None:
    """See core.ports.Files."""
    connection.execute("DELETE FROM uploads WHERE id = ?", (upload.id,))


def expired(connection: Connection, *, hold: float, limit: int) -> list[Upload]:
    """See core.ports.Files."""
    now = time.time()
    due = "expires_at <= ? AND held_until <= ?"
    rows = connection.execute(
        f"SELECT id, data FROM uploads WHERE {due} ORDER BY expires_at LIMIT ?",  # noqa: S608 - from here
        (now, now, limit),
    ).fetchall()
    connection.executemany("UPDATE uploads SET held_until = ? WHERE id = ?", [(now + hold, found) for found, _ in rows])
    return _uploads((data,) for _, data in rows)


def secret(connection: Connection, *, name: str) -> bytes:
    """See core.ports.Secrets."""
    connection.execute("INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)", (name, os.urandom(SECRET_BYTES)))
    (value,) = connection.execute("SELECT value FROM secrets WHERE name = ?", (name,)).fetchone()
    return bytes(value)


def _uploads(rows: Iterable[tuple[bytes]]) -> list[Upload]:
    return [_decoder.decode(data) for (data,) in rows]
