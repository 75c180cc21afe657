"""References: how a file among the blobs is named inside of JSON, as a string that no client ever sees.

    leveret-blob:outputs/01j…/1/3f0c….png?size=9051&sha256=ab12…&type=image%2Fpng&name=hare.png

A client may write such a string, and a model may put it out. So whoever replaces one checks where it stands and
which blob it names: of an output only files of the same prediction count, and no client may put one in a place
where a file is expected.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from msgspec import Raw, Struct

from leveret.core.prediction import BLOB_KEY, Blob
from leveret.core.strings import Strings

SCHEME: Final = "leveret-blob:"

STRINGS: Final = Strings.of(SCHEME)

_SIZE: Final = re.compile(r"[0-9]{1,15}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class Reference(Struct, frozen=True):
    """A file among the blobs, under the name that it has for people."""

    blob: Blob
    name: str = ""


def write(reference: Reference) -> str:
    """The reference as a string that needs no escape in JSON."""
    blob = reference.blob
    about = {"size": blob.size, "sha256": blob.sha256, "type": blob.content_type, "name": reference.name}
    return f"{SCHEME}{blob.key}?{urlencode(about, quote_via=quote, safe='')}"


def read(text: str) -> Reference | None:
    """The reference that the string is; None if it is none."""
    if not text.startswith(SCHEME):
        return None
    key, _, query = text.removeprefix(SCHEME).partition("?")
    about = dict(parse_qsl(query, keep_blank_values=True))
    size, sha256 = about.get("size", ""), about.get("sha256", "")
    if not (BLOB_KEY.fullmatch(key) and _SIZE.fullmatch(size) and _SHA256.fullmatch(sha256)):
        return None
    return Reference(Blob(key, int(size), sha256, about.get("type", "")), about.get("name", ""))


def replaced(json: Raw, by: Callable[[Reference], str | None]) -> Raw:
    """The JSON with other strings for its references; where there is None, the reference stays what it is.

    What comes in their place may need no escape in JSON.
    """
    if not STRINGS.some(json):
        return json

    def replacement(text: str) -> str | None:
        reference = read(text)
        return None if reference is None else by(reference)

    return Raw(STRINGS.replaced(json, replacement))
