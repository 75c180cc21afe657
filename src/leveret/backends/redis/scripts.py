"""The Lua scripts, each one atomic and idempotent: sending it again changes nothing and answers the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files

from msgspec import Struct


class Script(Struct, frozen=True):
    """A script and the digest by which Redis calls it."""

    source: bytes
    digest: str


class Scripts(Struct, frozen=True):
    """Every script; a field is named for its file."""

    announce: Script
    append: Script
    beat: Script
    bury: Script
    called: Script
    cancel: Script
    cards: Script
    claim: Script
    create: Script
    discard: Script
    due: Script
    forget: Script
    lead: Script
    missed: Script
    news: Script
    page: Script
    published: Script
    remove: Script
    rest: Script
    secret: Script
    sent: Script
    silence: Script
    transition: Script

    def __iter__(self) -> Iterator[Script]:
        return iter([getattr(self, name) for name in self.__struct_fields__])


def load() -> Scripts:
    """The scripts as they stand beside this module."""
    folder = files(__package__) / "scripts"
    return Scripts(*[_script((folder / f"{name}.lua").read_bytes()) for name in Scripts.__struct_fields__])


def _script(source: bytes) -> Script:
    return Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest())
