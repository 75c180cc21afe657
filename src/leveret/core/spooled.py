"""Spooled: how a file that worker and model process hand to each other is named inside of JSON.

    leveret-spool:3f0c….png?type=image%2Fpng&name=hare.png

It is a file in the folder of its run. Whoever puts one there names it by chance, and nobody else ever sees that name:
so a model cannot be made to hand over any other file by what it was told to say.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from msgspec import Struct

from leveret.core.strings import Strings

SCHEME: Final = "leveret-spool:"
STRINGS: Final = Strings.of(SCHEME)

_TOKEN: Final = re.compile(r"[0-9a-f]{32}(\.[A-Za-z0-9]{1,16})?")
_ENDING: Final = re.compile(r"\.[A-Za-z0-9]{1,16}")


class Spooled(Struct, frozen=True):
    """A file in the folder of its run: its name there, its content type, and the name that it has for people."""

    token: str
    content_type: str = ""
    name: str = ""


def folder(prediction_id: str, attempt: int) -> str:
    """The name of the folder of this run."""
    return f"{prediction_id}.{attempt}"


def token(randomness: bytes, ending: str) -> str:
    """A name by chance, from 16 random bytes, with the ending of a file's name if that is a plain one."""
    return randomness.hex() + (ending if _ENDING.fullmatch(ending) else "")


def write(spooled: Spooled) -> str:
    """It as a string that needs no escape in JSON."""
    about = {"type": spooled.content_type, "name": spooled.name}
    return f"{SCHEME}{spooled.token}?{urlencode(about, quote_via=quote, safe='', errors='replace')}"


def read(text: str) -> Spooled | None:
    """The file that the string names; None if it names none."""
    if not text.startswith(SCHEME):
        return None
    named, _, query = text.removeprefix(SCHEME).partition("?")
    about = dict(parse_qsl(query, keep_blank_values=True))
    return Spooled(named, about.get("type", ""), about.get("name", "")) if _TOKEN.fullmatch(named) else None
