"""Uploads: clients' files that have expired are removed, first the bytes and then what is known of them.

A crash in between only repeats it: what is still known of is found again.
"""

from __future__ import annotations

from typing import Final

import structlog

from leveret.core.ports import Blobs, Files

LIMIT: Final = 500
"""How many of them are taken at once."""

_log = structlog.get_logger()


class Uploads:
    """Sees to what has expired. Any number may do so at once."""

    def __init__(self, *, files: Files, blobs: Blobs, hold: float) -> None:
        """What one has found nobody else sees to for `hold` seconds."""
        self._files = files
        self._blobs = blobs
        self._hold = hold

    async def remove_expired(self) -> int:
        """Remove them; answers how many there were. Raises StoreUnavailable."""
        found, removed = LIMIT, 0
        while found == LIMIT:
            expired = await self._files.expired(hold=self._hold, limit=LIMIT)
            for upload in expired:
                await self._blobs.delete(upload.blob)
                await self._files.forget(upload)
            found, removed = len(expired), removed + len(expired)
        if removed:
            _log.info("removed files that had expired", count=removed)
        return removed
