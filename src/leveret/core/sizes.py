"""Sizes: amounts of memory as people write and read them, such as `2 GiB`; in bytes everywhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_FACTORS: Final[Mapping[str, int]] = {
    "b": 1,
    **{f"{prefix}ib": 1 << 10 * power for power, prefix in enumerate("kmgt", start=1)},
    **{f"{prefix}b": int(f"1{'000' * power}") for power, prefix in enumerate("kmgt", start=1)},
}
_WRITTEN: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", re.IGNORECASE | re.ASCII)


def parse(text: str) -> int:
    """The bytes of `2 GiB`, `1.5GB` and the like. Raises ValueError."""
    written = _WRITTEN.fullmatch(text)
    if written is None or written[2].lower() not in _FACTORS:
        raise ValueError(f"{text!r} is no size; write for example '2 GiB', or a number of bytes")
    return round(float(written[1]) * _FACTORS[written[2].lower()])


def shown(size: int) -> str:
    """The size in the largest unit of which it is one or more, to a tenth."""
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.1f}".removesuffix(".0") + f" {_UNITS[unit]}"
