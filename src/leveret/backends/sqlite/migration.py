"""The migration: makes of a database that an earlier version has written what the schema says.

The schema makes the tables that are missing. Columns that a table lacks are added as the schema declares them, so they
need a default or may be NULL; what takes more than that is a step here, from one `user_version` to the next.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

from leveret.errors import DataFolderTooNew


def migrate(connection: Connection, schema: str, *, path: Path) -> None:
    """Bring the tables that there are up to the schema, which is to be run next. Raises DataFolderTooNew.

    Whatever happens in between, it begins again from where it stands.
    """
    with closing(sqlite3.connect(":memory:")) as wanted:
        wanted.executescript(schema)
        found, latest = _version(connection), _version(wanted)
        if found > latest:
            raise DataFolderTooNew(path=str(path.parent), found=found, known=latest)
        connection.execute("BEGIN IMMEDIATE")
        if found == 1 and _columns(connection, "dead") and not _columns(connection, "rejected"):
            connection.execute("ALTER TABLE dead RENAME TO rejected")
        for (table,) in wanted.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"):
            known = _columns(connection, table)
            for name, declared in _columns(wanted, table).items() if known else ():
                if name not in known:
                    connection.execute(f'ALTER TABLE "{table}" ADD COLUMN {declared}')
        connection.execute("COMMIT")


def _version(connection: Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _columns(connection: Connection, table: str) -> dict[str, str]:
    """The table's columns as they would be declared, by their names; none if there is no such table."""
    return dict(_declared(connection, table))


def _declared(connection: Connection, table: str) -> Iterator[tuple[str, str]]:
    for _, name, kind, needed, default, _ in connection.execute(f'PRAGMA table_info("{table}")'):
        bounds = (" NOT NULL" if needed else "") + (f" DEFAULT {default}" if default is not None else "")
        yield name, f'"{name}" {kind}{bounds}'
