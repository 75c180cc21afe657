"""The file: a value that a model takes or returns, and that travels in JSON as a data: URL (RFC 2397)."""

from __future__ import annotations

import base64
import binascii
import io
import mimetypes
import re
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

_UNKNOWN: Final = "application/octet-stream"
_UNSPECIFIED: Final = "text/plain;charset=US-ASCII"
"""The content type of a data: URL that names none, by RFC 2397."""

_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class File(Struct, frozen=True):
    """A file: its bytes, its content type and a name.

    A parameter `image: File` is sent as a data: URL, `data:image/png;base64,…` or percent-encoded; a model that
    returns a File answers with one.
    """

    data: bytes
    content_type: str = _UNKNOWN
    name: str = ""

    @classmethod
    def from_path(cls, path: str | Path) -> File:
        """The file at `path`; the content type is guessed from its name."""
        path = Path(path)
        return cls(path.read_bytes(), mimetypes.guess_type(path.name)[0] or _UNKNOWN, path.name)

    @classmethod
    def from_url(cls, url: str) -> File:
        """The file that a data: URL carries. Raises ValueError for anything else."""
        if url[:5].lower() != "data:":
            raise ValueError(f"a file is sent as a data: URL such as 'data:image/png;base64,iVBORw…', not {url[:40]!r}")
        header, comma, body = url[5:].partition(",")
        if not comma:
            raise ValueError("the data: URL has no comma between its content type and its data")
        content_type, name, encoded = _header(header)
        return cls(_base64(body) if encoded else _percent(body), content_type, name)

    @property
    def url(self) -> str:
        """The file as a data: URL, in base64."""
        name = f";name={quote(self.name, safe='')}" if self.name else ""
        return f"data:{self.content_type}{name};base64,{base64.b64encode(self.data).decode()}"

    def read(self) -> bytes:
        """The whole content."""
        return self.data

    def open(self) -> BinaryIO:
        """The content as a file that is open for reading."""
        return io.BytesIO(self.data)

    def __repr__(self) -> str:
        return f"File({len(self.data)} bytes, {self.content_type!r}, {self.name!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[File], handler: GetCoreSchemaHandler) -> CoreSchema:
        # Imported late: a gateway imports leveret too and has no use for pydantic, which takes 0.1 s.
        from pydantic_core import core_schema  # noqa: PLC0415

        return core_schema.json_or_python_schema(
            json_schema=core_schema.no_info_after_validator_function(cls.from_url, core_schema.str_schema()),
            python_schema=core_schema.is_instance_schema(cls),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda file: file.url),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "uri", "pattern": "^data:"}


def _header(header: str) -> tuple[str, str, bool]:
    """The content type, the name and whether the data is in base64."""
    first, *parameters = header.split(";")
    encoded = bool(parameters) and parameters[-1].strip().lower() == "base64"
    name = ""
    kept = []
    for parameter in parameters[:-1] if encoded else parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() in {"name", "filename"}:
            name = unquote_to_bytes(value).decode("utf-8", "replace")
        else:
            kept.append(parameter)
    content_type = ";".join([first or "text/plain", *kept]) if first or kept else _UNSPECIFIED
    return content_type, name, encoded


def _base64(body: str) -> bytes:
    try:
        return base64.b64decode(_percent(body) if "%" in body else body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"the base64 of the data: URL is damaged: {error}") from error


def _percent(body: str) -> bytes:
    if broken := _BROKEN_ESCAPE.search(body):
        raise ValueError(
            f"the data: URL has a '%' without two hexadecimal digits at place {broken.start()} of its data"
        )
    if not body.isascii():
        raise ValueError("the data: URL has characters outside of ASCII; percent-encode them as UTF-8")
    return unquote_to_bytes(body)
