"""The depth: how deeply the JSON of a body is nested, found out before anything is decoded."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

from leveret.errors import TooDeep

_OPENING: Final = (b"[", b"{")
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def check(data: bytes, *, limit: int) -> None:
    """Raises TooDeep if it is nested more than `limit` levels deep. What is no JSON may pass: it is decoded next."""
    if sum(map(data.count, _OPENING)) <= limit:
        return
    brackets = _STRINGS.sub(b"", data).translate(None, _NO_BRACKETS)
    if any(depth > limit for depth in accumulate(map(_STEPS.__getitem__, brackets))):
        raise TooDeep(limit=limit)
