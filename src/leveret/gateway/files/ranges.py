"""Ranges: which part of a file a request asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

_RANGE: Final = re.compile(r"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE)


class Span(Struct, frozen=True):
    """`length` bytes from `start` on."""

    start: int
    length: int

    def content_range(self, size: int) -> str:
        """The header of the answer with these bytes, out of so many."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{size}"


class Unsatisfiable(Exception):
    """The part begins behind the end."""


def span(header: str, *, size: int) -> Span | None:
    """The part that the header asks for; None for all of it, which is also how several parts at once are answered.

    Raises Unsatisfiable.
    """
    found = _RANGE.fullmatch(header)
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:
        start = max(0, size - int(found[2]))
        end = size
    else:
        start = int(found[1])
        end = min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= size or start >= end:
        raise Unsatisfiable
    return Span(start, end - start)
