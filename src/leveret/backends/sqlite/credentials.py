"""Credentials: the API keys in the database. Each function is a whole transaction."""

from __future__ import annotations

from collections.abc import Mapping
from sqlite3 import Connection
from typing import Final

import msgspec
from msgspec.structs import replace

from leveret.core.keys import ApiKey

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(ApiKey)


def add(connection: Connection, *, key: ApiKey) -> None:
    """See core.ports.ApiKeys."""
    connection.execute("REPLACE INTO credentials (digest, data) VALUES (?, ?)", (key.digest, _encoder.encode(key)))


def find(connection: Connection, *, digest: str) -> ApiKey | None:
    """See core.ports.ApiKeys."""
    row = connection.execute("SELECT data FROM credentials WHERE digest = ?", (digest,)).fetchone()
    return None if row is None else _decoder.decode(row[0])


def every(connection: Connection) -> list[ApiKey]:
    """See core.ports.ApiKeys."""
    rows = connection.execute("SELECT data, used_at FROM credentials")
    return sorted([replace(_decoder.decode(data), used_at=used) for data, used in rows], key=lambda one: one.created_at)


def revoke(connection: Connection, *, digest: str) -> None:
    """See core.ports.ApiKeys."""
    connection.execute("DELETE FROM credentials WHERE digest = ?", (digest,))


def note(connection: Connection, *, used: Mapping[str, float]) -> None:
    """See core.ports.ApiKeys."""
    connection.executemany(
        "UPDATE credentials SET used_at = ? WHERE digest = ?", [(at, digest) for digest, at in used.items()]
    )
