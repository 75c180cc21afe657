"""The exchanges: where each run finds the files of its input, and hands over those of its output."""

from __future__ import annotations

from pathlib import Path

from leveret.model.exchange import Exchange
from leveret.worker.frames import Item


class Exchanges:
    """Those of all runs, below one folder; without a folder there are none, and files travel inside of the JSON."""

    def __init__(self, spool: str) -> None:
        self._spool = Path(spool) if spool else None

    def of(self, item: Item) -> Exchange | None:
        """That of this run."""
        if self._spool is None:
            return None
        return Exchange(self._spool, prediction_id=item.id, attempt=item.attempt)
