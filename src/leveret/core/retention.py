"""Retention: for how long what is known of a prediction stays after its end."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from leveret.core.prediction import Prediction

DATA: Final = 24 * 3600.0
"""Seconds for which the data stays unless somebody says otherwise."""

RECORD: Final = 7 * 24 * 3600.0
"""Seconds for which the record stays unless somebody says otherwise."""


class Retention(Struct, frozen=True):
    """Seconds after its end until a prediction's data is removed, if it says nothing itself, and then its record.

    0 is never. A record does not go before its data. Until it goes, no message of its prediction begins another run.
    """

    data: float = DATA
    record: float = RECORD

    def remaining(self, prediction: Prediction, *, at: float) -> float:
        """For how many seconds its record, which goes some time, stays on when its data is removed `at` that time."""
        ended = at if prediction.completed_at is None else prediction.completed_at
        return max(0.0, ended + self.record - at)

    @property
    def stub(self) -> float:
        """Seconds for which what was deleted is still known to have been there; that is never for ever."""
        return self.record or RECORD
