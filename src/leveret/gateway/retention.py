"""Retention: for how long a client wants the data of its prediction to stay after its end."""

from __future__ import annotations

import re
from typing import Final

from leveret.errors import InvalidRequest

SHORTEST: Final = 1.0
"""The shortest time in seconds: less is a DELETE, by the client that has the result."""

PATTERN: Final = "^([0-9]{1,9}|([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?)$"

_UNITS: Final = {"d": 86_400, "h": 3600, "m": 60, "s": 1, "": 1}
_PART: Final = re.compile("([0-9]+)([dhms]?)")


def seconds(given: float | str | None, *, longest: float, name: str = "retention") -> float | None:
    """The seconds that the member of this name asks for, such as `3600`, `"1h"` or `"1d12h"`; None if there is none.

    Raises InvalidRequest.
    """
    match given:
        case None:
            return None
        case str() if re.fullmatch(PATTERN, given):
            total = float(sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(given)))
        case str():
            total = 0.0
        case _:
            total = given
    if SHORTEST <= total <= longest:
        return total
    reason = (
        f"`{name}` must be a time from {SHORTEST:g} to {longest:.0f} seconds: a number of them such as 3600, or a text"
        " such as 1h, 30m or 1d12h"
    )
    raise InvalidRequest(reason=reason)
