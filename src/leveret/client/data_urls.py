"""data: URLs (RFC 2397), as files travel in JSON."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from typing import Final
from urllib.parse import quote, unquote, unquote_to_bytes

from msgspec import Struct

from leveret.errors import InvalidRequest

UNKNOWN: Final = "application/octet-stream"


class Content(Struct, frozen=True):
    """What a data: URL carries; `name` is empty if it names none."""

    data: bytes
    content_type: str
    name: str


def encode(data: bytes, *, content_type: str, name: str) -> str:
    """The URL that carries this."""
    named = f";name={quote(name, safe='')}" if name else ""
    return f"data:{content_type}{named};base64,{base64.b64encode(data).decode()}"


def decode(url: str) -> Content:
    """What the URL carries. Raises InvalidRequest."""
    header, comma, body = url.partition(",")
    first, *parameters = header[len("data:") :].split(";")
    if not url.startswith("data:") or not comma:
        raise InvalidRequest(reason=f"{url[:40]!r} is no data: URL")
    names = [value for name, _, value in (one.partition("=") for one in parameters) if name == "name"]
    try:
        data = unquote_to_bytes(body)
        data = base64.b64decode(data, validate=True) if parameters[-1:] == ["base64"] else data
    except binascii.Error as error:
        raise InvalidRequest(reason=f"the data: URL is damaged ({error})") from error
    return Content(data, first or "text/plain", unquote(names[0]) if names else "")


def content_type(name: str) -> str:
    """The content type that a file of this name probably has."""
    return mimetypes.guess_type(name)[0] or UNKNOWN
