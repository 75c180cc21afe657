"""Multipart: a form with a file in it, read as it comes and never held in memory (RFC 7578).

file(name) ─▶ content() ─▶ finish()        the other fields stand in `fields`, wherever they come
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from leveret.errors import BodyTooLarge, InvalidRequest

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MEDIA_TYPE: Final = "multipart/form-data"

LARGEST_FIELD: Final = 64 * 1024
"""The largest field that is no file, in bytes."""

MOST_FIELDS: Final = 32


class Part(Struct, frozen=True):
    """What the headers of a part say."""

    name: str
    filename: str
    content_type: str


class _End(Enum):
    OF_PART = auto()
    OF_FORM = auto()


_Event: TypeAlias = "Part | bytes | _End"


class Form:
    """The form of one request."""

    def __init__(self, request: Request, *, limit: int, setting: str) -> None:
        """It may have `limit` bytes in all, as `setting` says. Raises InvalidRequest if it has no form."""
        kind, options = parse_options_header(request.headers.get("content-type"))
        boundary = options.get(b"boundary")
        if kind.decode("latin-1") != MEDIA_TYPE or not boundary:
            raise InvalidRequest(reason=f"send the file as {MEDIA_TYPE}, in a part of the name `content`")
        self.fields: dict[str, bytes] = {}
        self._file = ""
        self._events = _events(_bounded(request.stream(), limit=limit, setting=setting), boundary)

    async def file(self, name: str) -> Part:
        """Read on to where the file of this name begins. Raises InvalidRequest if there is none."""
        self._file = name
        async for event in self._events:
            if isinstance(event, Part):
                if event.name == name:
                    return event
                await self._field(event)
        raise InvalidRequest(reason=f"the form has no file in a part of the name `{name}`")

    async def content(self) -> AsyncGenerator[bytes, None]:
        """The bytes of the file that begins here."""
        async for event in self._events:
            if event is _End.OF_PART:
                return
            if isinstance(event, bytes):
                yield event

    async def finish(self) -> None:
        """Read what comes behind the file. Raises InvalidRequest if there is another one, or the end is missing."""
        ended = False
        async for event in self._events:
            ended = event is _End.OF_FORM
            if isinstance(event, Part):
                await self._field(event)
        if not ended:
            raise InvalidRequest(reason="the form is not complete: its last boundary is missing")

    async def _field(self, part: Part) -> None:
        value = bytearray()
        async for chunk in self.content():
            value += chunk
            if len(value) > LARGEST_FIELD:
                raise InvalidRequest(reason=f"the field `{part.name}` is larger than {LARGEST_FIELD} bytes")
        if part.name in {*self.fields, self._file} or len(self.fields) == MOST_FIELDS:
            raise InvalidRequest(
                reason=f"the form has two parts of the name `{part.name}`, or more than {MOST_FIELDS} fields"
            )
        self.fields[part.name] = bytes(value)


async def _bounded(stream: AsyncIterator[bytes], *, limit: int, setting: str) -> AsyncGenerator[bytes, None]:
    """The same bytes. Raises BodyTooLarge as soon as there are more than `limit`, wherever in the form they stand."""
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit=limit, setting=setting)
        yield chunk


async def _events(stream: AsyncIterator[bytes], boundary: bytes) -> AsyncGenerator[_Event, None]:
    """What the form consists of, as it comes."""
    try:
        listener = _Listener()
        parser = MultipartParser(boundary, listener.callbacks())
        async for chunk in stream:
            parser.write(chunk)
            while listener.heard:
                yield listener.heard.popleft()
    except FormParserError as error:
        raise InvalidRequest(reason=f"the form cannot be read: {error}") from error


class _Listener:
    """Turns what the parser calls back into events."""

    def __init__(self) -> None:
        self.heard: deque[_Event] = deque()
        self._name = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": lambda: self.heard.append(_End.OF_PART),
            "on_end": lambda: self.heard.append(_End.OF_FORM),
        }

    def _part_begin(self) -> None:
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        content_type = self._headers.get(b"content-type", b"")
        self.heard.append(Part(_text(options.get(b"name")), _text(options.get(b"filename")), _text(content_type)))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self.heard.append(data[start:end])


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
