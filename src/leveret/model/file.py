"""The file: a value that a model takes or returns, in memory or on disk."""

from __future__ import annotations

import base64
import binascii
import io
import mimetypes
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import quote, unquote_to_bytes

from leveret.core.places import MARK
from leveret.model import content_type as content_types
from leveret.model.exchange import Exchange

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema, core_schema

_UNSPECIFIED: Final = "text/plain;charset=US-ASCII"
"""The content type of a data: URL that names none, by RFC 2397."""

_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HEAD: Final = 64


class File:
    """A file: its content, its content type and a name.

    A parameter `image: File` takes an http(s): URL, the URL of a file that was put at the gateway, or a data: URL. It
    may be large: `path` and `open` do not read it into memory. It is there until the run has ended.
    A model that returns a File, or several in a list or a dict, answers with URLs.
    """

    __slots__ = ("_data", "_exchange", "_path", "content_type", "name")

    def __init__(self, data: bytes, content_type: str = "", name: str = "") -> None:
        """Without a content type it is that of the name, or what the data begins like."""
        self._data: bytes | None = bytes(data)
        self._path: Path | None = None
        self._exchange: Exchange | None = None
        self.content_type = content_type or content_types.guess(name, self._data)
        self.name = name

    @classmethod
    def from_path(cls, path: str | Path) -> File:
        """The file at `path`, read now; the content type is that of its name."""
        path = Path(path)
        return cls(path.read_bytes(), name=path.name)

    @classmethod
    def at(cls, path: str | Path, content_type: str = "", name: str = "") -> File:
        """The file at `path`, which is only read when it is needed."""
        path = Path(path)
        file = cls.__new__(cls)
        file._data, file._path, file._exchange = None, path, None
        file.name = name or path.name
        file.content_type = content_type or content_types.guess(file.name, _head(path))
        return file

    @classmethod
    def from_url(cls, url: str, exchange: Exchange | None = None) -> File:
        """The file that an input names: a data: URL, or what the worker has fetched. Raises ValueError."""
        if exchange is not None and (found := exchange.find(url)) is not None:
            path, named = found
            return cls.at(path, named.content_type, named.name)
        if url[:5].lower() != "data:":
            expected = "an http(s): URL, or a data: URL such as 'data:image/png;base64,iVBORw…'"
            raise ValueError(f"a file is {expected}, not {url[:40]!r}")
        header, comma, body = url[5:].partition(",")
        if not comma:
            raise ValueError("the data: URL has no comma between its content type and its data")
        content_type, name, encoded = _header(header)
        file = cls(_base64(body) if encoded else _percent(body), content_type, name)
        file._exchange = exchange
        return file

    @property
    def path(self) -> Path:
        """Where it is on disk, for those who need it there; with the ending of its name or its type."""
        if self._path is None:
            ending = Path(self.name).suffix or mimetypes.guess_extension(self.content_type.partition(";")[0]) or ""
            self._path = _temporary(ending) if self._exchange is None else self._exchange.place(ending)
            self._path.write_bytes(self._data or b"")
        return self._path

    @property
    def url(self) -> str:
        """The file as a data: URL, in base64."""
        name = f";name={quote(self.name, safe='')}" if self.name else ""
        return f"data:{self.content_type}{name};base64,{base64.b64encode(self.read()).decode()}"

    def read(self) -> bytes:
        """The whole content."""
        return self.path.read_bytes() if self._data is None else self._data

    def open(self) -> BinaryIO:
        """The content as a file that is open for reading."""
        return self.path.open("rb") if self._data is None else io.BytesIO(self._data)

    def put_out(self, exchange: Exchange | None) -> str:
        """What stands for it in an output."""
        if exchange is None:
            return self.url
        content = self.path if self._data is None else self._data
        return exchange.give(content, content_type=self.content_type, name=self.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and self._known() == other._known() and self.read() == other.read()

    def __hash__(self) -> int:
        return hash((self._known(), self.read()))

    def __repr__(self) -> str:
        size = self.path.stat().st_size if self._data is None else len(self._data)
        return f"File({size} bytes, {self.content_type!r}, {self.name!r})"

    def _known(self) -> tuple[str, str]:
        return self.content_type, self.name

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[File], handler: GetCoreSchemaHandler) -> CoreSchema:
        # Imported late: a gateway imports leveret too and has no use for pydantic, which takes 0.1 s.
        from pydantic_core import core_schema  # noqa: PLC0415

        return core_schema.json_or_python_schema(
            json_schema=core_schema.with_info_after_validator_function(_taken, core_schema.str_schema()),
            python_schema=core_schema.is_instance_schema(cls),
            serialization=core_schema.plain_serializer_function_ser_schema(_given, info_arg=True),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return json_schema(handler)


class InPath:
    """Marks a Path that is a file of an input: what the model gets is where it is on disk."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Path], handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema  # noqa: PLC0415

        return core_schema.json_or_python_schema(
            json_schema=core_schema.with_info_after_validator_function(_taken_to_disk, core_schema.str_schema()),
            python_schema=core_schema.is_instance_schema(Path),
            serialization=core_schema.to_string_ser_schema(),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return json_schema(handler)


def json_schema(handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    """The schema of a file in an input or in an output."""
    if handler.mode == "serialization":
        return {"type": "string", "format": "uri"}
    return {"type": "string", "format": "uri", "pattern": "^(data:|https?://)", MARK: True}


def _taken(text: str, info: ValidationInfo) -> File:
    return File.from_url(text, info.context if isinstance(info.context, Exchange) else None)


def _taken_to_disk(text: str, info: ValidationInfo) -> Path:
    return _taken(text, info).path


def _given(file: File, info: core_schema.SerializationInfo) -> str:
    return file.put_out(info.context if isinstance(info.context, Exchange) else None)


def _temporary(ending: str) -> Path:
    descriptor, path = tempfile.mkstemp(suffix=ending, prefix="leveret-")
    os.close(descriptor)
    return Path(path)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


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
