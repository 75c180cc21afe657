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

SCHEME: Final = "leveret-blob:"

_NEEDLE: Final = b'"leveret-blob:'
_STRING: Final = re.compile(rb'(?<!\\)"(leveret-blob:[^"\\]*)"')
"""A reference as a whole JSON string. Inside of a string its quotes would be escaped, and in one it is all ASCII."""

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


def some(json: Raw) -> bool:
    """Whether there may be references in it."""
    return _NEEDLE in bytes(json)


def replaced(json: Raw, by: Callable[[Reference], str | None]) -> Raw:
    """The JSON with other strings for its references; where there is None, the reference stays what it is.

    What comes in their place may need no escape in JSON.
    """
    if not some(json):
        return json

    def replacement(match: re.Match[bytes]) -> bytes:
        reference = read(match[1].decode())
        other = None if reference is None else by(reference)
        return match[0] if other is None else b'"%s"' % other.encode()

    return Raw(_STRING.sub(replacement, bytes(json)))
