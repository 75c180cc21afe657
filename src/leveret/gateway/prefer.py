"""Prefer: how long a client wants its POST to wait for the result (RFC 7240)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

DEFAULT: Final = 55.0
"""Seconds that a bare `wait` stands for: some official clients give up, and submit again, after 60."""

_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


class Wait(Struct, frozen=True):
    """The preference as it is honoured: for how many seconds, and what `Preference-Applied` says."""

    seconds: float
    applied: str


def wait(lines: Sequence[str], *, longest: float) -> Wait | None:
    """The first `wait` in these header lines, cut to `longest` seconds.

    Nothing here is ever an error: preferences that are unknown or make no sense are ignored.
    """
    for preference in ",".join(lines).split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            return _wait(value.strip().strip('"'), longest)
    return None


def _wait(value: str, longest: float) -> Wait | None:
    if not value:
        return Wait(min(DEFAULT, longest), "wait")
    seconds = min(float(value), longest) if _SECONDS.fullmatch(value) else 0.0
    return Wait(seconds, f"wait={seconds:g}") if seconds else None
