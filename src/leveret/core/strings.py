"""Strings inside of JSON that stand for something else: found and replaced without reading the JSON.

They begin with a scheme of ours and need no escape. Inside of another string their quotes would be escaped, so what
is found between two plain quotes is a whole string.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Raw, Struct


class Strings(Struct, frozen=True):
    """Those of one scheme."""

    needle: bytes
    pattern: re.Pattern[bytes]

    @classmethod
    def of(cls, scheme: str) -> Strings:
        """Those that begin with `scheme`."""
        return cls(f'"{scheme}'.encode(), re.compile(rb'(?<!\\)"(' + re.escape(scheme).encode() + rb'[^"\\]*)"'))

    def some(self, json: Raw | bytes) -> bool:
        """Whether there may be any."""
        return self.needle in bytes(json)

    def found(self, json: Raw | bytes) -> list[str]:
        """All of them, in their order."""
        return [match[1].decode() for match in self.pattern.finditer(bytes(json))] if self.some(json) else []

    def replaced(self, json: Raw | bytes, by: Callable[[str], str | None]) -> bytes:
        """The JSON with others in their place, which may need no escape either; where there is None, it stays."""

        def replacement(match: re.Match[bytes]) -> bytes:
            other = by(match[1].decode())
            return match[0] if other is None else b'"%s"' % other.encode()

        return self.pattern.sub(replacement, bytes(json)) if self.some(json) else bytes(json)
