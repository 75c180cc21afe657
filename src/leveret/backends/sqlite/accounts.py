"""The accounts in the database: what each may, and whether a create or a run is within that.

Plain functions over a connection; each is a part of somebody's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from sqlite3 import Connection
from typing import Final

import msgspec

from leveret.core.limits import LONGEST, SHORTEST, Allowance, pause, refilled, until_a_token
from leveret.core.prediction import Status
from leveret.errors import RateExceeded, TooManyQueued

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Allowance)


def allowances(connection: Connection) -> Mapping[str, Allowance]:
    """See core.ports.Accounts."""
    return {account: _decoder.decode(data) for account, data in connection.execute("SELECT * FROM allowances")}


def allow(connection: Connection, *, account: str, allowance: Allowance | None) -> None:
    """See core.ports.Accounts."""
    if allowance is None:
        connection.execute("DELETE FROM allowances WHERE account = ?", (account,))
    else:
        connection.execute("REPLACE INTO allowances VALUES (?, ?)", (account, _encoder.encode(allowance)))


def admit(connection: Connection, account: str, within: Allowance, *, at: float) -> None:
    """Let the account create one more. Raises TooManyQueued and RateExceeded."""
    if within.queued:
        waiting = _count(connection, account, Status.STARTING, most=within.queued)
        if waiting >= within.queued:
            raise TooManyQueued(queued=waiting, retry_after=SHORTEST)
    if within.rate:
        row = connection.execute("SELECT tokens, at FROM buckets WHERE account = ?", (account,)).fetchone()
        tokens, before = (within.bucket, at) if row is None else row
        tokens = refilled(tokens, passed=at - before, allowance=within)
        if tokens < 1:
            raise RateExceeded(rate=within.rate, retry_after=until_a_token(tokens, within))
        connection.execute("REPLACE INTO buckets VALUES (?, ?, ?)", (account, tokens - 1, at))


def put_off(connection: Connection, account: str, cap: int) -> float | None:
    """For how long a run has to wait because so many of its account go on; None: it need not."""
    if _count(connection, account, Status.PROCESSING, most=cap) < cap:
        return None
    return pause(_count(connection, account, Status.STARTING, most=int(LONGEST) * cap), cap)


def _count(connection: Connection, account: str, status: Status, *, most: int) -> int:
    """How many predictions of the account there are like this; not counted beyond `most`."""
    (count,) = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM predictions WHERE account = ? AND status = ? LIMIT ?)",
        (account, status.value, most),
    ).fetchone()
    return int(count)
