"""Inputs: values with files in them, as the JSON that is sent: a small file as a data: URL, a large one uploaded."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeAlias, runtime_checkable

import msgspec

from leveret.client import data_urls
from leveret.client.exchange import Upload
from leveret.errors import InvalidRequest

INLINE: Final = 256 * 1024
"""Files up to this size, in bytes, travel in the input itself."""

Store: TypeAlias = Callable[[Upload], Awaitable[str]]
"""Stores a file and answers the URL that stands for it."""

_encoder: Final = msgspec.json.Encoder()


@runtime_checkable
class Readable(Protocol):
    """A file that is open for reading bytes, or a leveret.File."""

    def read(self) -> bytes:
        """All that is left of it."""
        ...


async def encode(given: Mapping[str, object], store: Store) -> bytes:
    """The input as JSON. A Path, bytes and whatever can be read stand for files. Raises InvalidRequest."""
    sendable = await _sendable(given, store)
    try:
        return _encoder.encode(sendable)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequest(reason=f"the input is no JSON ({error})") from error


def upload(value: object) -> Upload | None:
    """The value as a file, if it is one. What is open is read to its end. Raises InvalidRequest."""
    match value:
        case Path():
            return _of_path(value)
        case bytes() | bytearray() | memoryview():
            return _of_bytes(bytes(value), "")
        case Readable():
            data = value.read()
            if not isinstance(data, bytes):
                raise InvalidRequest(reason="a file in the input is open for text; open it with mode 'rb'")
            name = getattr(value, "name", "")  # of what the system opens without a name, it is a number
            kind = getattr(value, "content_type", None)
            return _of_bytes(data, Path(name).name if isinstance(name, str) else "", kind)
    return None


def inline(file: Upload) -> str:
    """The file as a data: URL."""
    with file.open() as opened:
        return data_urls.encode(opened.read(), content_type=file.content_type, name=file.name)


async def _sendable(value: object, store: Store) -> object:
    match value:
        case Mapping():
            return {name: await _sendable(inner, store) for name, inner in value.items()}
        case list() | tuple():
            return [await _sendable(inner, store) for inner in value]
    file = upload(value)
    if file is None:
        return value
    return inline(file) if file.size <= INLINE else await store(file)


def _of_path(path: Path) -> Upload:
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise InvalidRequest(reason=f"the file {str(path)!r} cannot be read ({error.strerror})") from error

    def opened() -> BinaryIO:
        return path.open("rb")

    return Upload(path.name, data_urls.content_type(path.name), size, opened)


def _of_bytes(data: bytes, name: str, kind: object = None) -> Upload:
    content_type = kind if isinstance(kind, str) else data_urls.content_type(name)
    return Upload(name, content_type, len(data), lambda: io.BytesIO(data))
