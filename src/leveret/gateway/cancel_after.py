"""Cancel-After: how long after its creation a client still wants a prediction to start, and to end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from leveret.core.deadlines import LONGEST
from leveret.errors import InvalidRequest

SHORTEST: Final = 5.0
"""The shortest time in seconds, that of Replicate's API."""

PATTERN: Final = "^([0-9]{1,9}|([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?)$"

_UNITS: Final = {"h": 3600, "m": 60, "s": 1, "": 1}
_PART: Final = re.compile("([0-9]+)([hms]?)")


def seconds(lines: Sequence[str]) -> float | None:
    """The seconds that these header lines ask for, such as `30`, `90s`, `5m` or `1h30m45s`; None without any.

    Raises InvalidRequest.
    """
    if not lines:
        return None
    given = ", ".join(lines)
    total = 0.0
    if re.fullmatch(PATTERN, given):
        total = float(sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(given)))
    if SHORTEST <= total <= LONGEST:
        return total
    reason = (
        f"the header Cancel-After is {given[:40]!r} but must be a time from {SHORTEST:g} seconds to"
        f" {LONGEST / 86400:g} days: seconds such as 30, or hours, minutes and seconds such as 90s, 5m or 1h30m45s"
    )
    raise InvalidRequest(reason=reason)
