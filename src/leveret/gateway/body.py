"""The body of a request: read within a limit, then decoded."""

from __future__ import annotations

import re
from typing import Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from leveret.errors import BodyTooLarge, InvalidRequest, MalformedJson, UnsupportedEncoding

T = TypeVar("T")

_TRUNCATED: Final = "truncated"
_LONE_SURROGATE: Final = re.compile(rb"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2})(?!\\u[dD][c-fC-F])")


async def read(request: Request, *, limit: int, setting: str = "gateway.max_body") -> bytes:
    """The body.

    Raises UnsupportedEncoding, or BodyTooLarge as soon as it is known to have more than `limit` bytes, which that
    setting says.
    """
    check_encoding(request)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > limit:
        raise BodyTooLarge(limit=limit, setting=setting)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        more = message.get("more_body", False)
        if size > limit:
            raise BodyTooLarge(limit=limit, setting=setting)
    return b"".join(chunks)


def check_encoding(request: Request) -> None:
    """Raises UnsupportedEncoding: what is compressed could become as large as it likes."""
    encoding = request.headers.get("content-encoding", "")
    if encoding.lower() not in ("", "identity"):
        raise UnsupportedEncoding(encoding=encoding)


def decode(data: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """What the JSON stands for. Raises MalformedJson, or InvalidRequest when it is of another form."""
    try:
        if isinstance(data, bytes) and not data.isascii():
            data.decode()  # msgspec does not look into members that nobody asks for
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise InvalidRequest(reason=str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedJson(reason=_reason(bytes(data), error)) from error
    except RecursionError as error:
        raise MalformedJson(reason="it is nested too deeply") from error


def _reason(data: bytes, error: Exception) -> str:
    """What is wrong. To msgspec nothing, and a text that ends with half of a surrogate pair, end too early."""
    if not data.strip():
        return "it is empty"
    if _TRUNCATED in str(error) and (lone := _LONE_SURROGATE.search(data)):
        return f"{lone[1].decode()} is half of a surrogate pair and stands for no character"
    return str(error)
