"""The depth: how deeply JSON is nested, found out before anything is decoded."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

DEEPEST: Final = 500
"""As deep as anything may be: every decoder takes twice as much, wherever it is called."""

_OPENING: Final = (b"[", b"{")
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def deeper(data: bytes, *, than: int) -> bool:
    """Whether it is nested more than so many levels deep. What is no JSON may seem not to be: it is decoded next."""
    if sum(map(data.count, _OPENING)) <= than:
        return False
    brackets = _STRINGS.sub(b"", data).translate(None, _NO_BRACKETS)
    return any(depth > than for depth in accumulate(map(_STEPS.__getitem__, brackets)))
