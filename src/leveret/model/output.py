"""The output: what a model returned, as JSON."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from pydantic_core import PydanticSerializationError, from_json, to_json

from leveret.errors import InvalidOutput
from leveret.model.exchange import Exchange
from leveret.model.file import File

_NOT_FINITE: Final = (b"NaN", b"Infinity")
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def encode(value: object, exchange: Exchange | None = None) -> bytes:
    """The value as JSON. Raises InvalidOutput.

    Dataclasses, pydantic models, enums, dates and sets are written as pydantic writes them, arrays and their numbers
    (numpy, torch) by their `tolist()`. A File, wherever it stands, and bytes, a Path or a picture of PIL, alone or in
    lists, tuples and dicts, are files: handed over by the exchange, or else written as data: URLs. NaN and Infinity,
    which JSON does not have, are refused; what a pydantic model makes of them is up to its own configuration.
    """
    try:
        data = to_json(
            _with_files(value), inf_nan_mode="constants", fallback=partial(_plain, exchange), context=exchange
        )
    except PydanticSerializationError as error:
        raise InvalidOutput(reason=_reason(str(error))) from error
    except OSError as error:
        raise InvalidOutput(reason=f"a file in it cannot be handed over: {error}") from error
    if any(token in data for token in _NOT_FINITE) and not _finite(data):
        raise InvalidOutput(reason="it contains NaN or Infinity; return None or a number in their place")
    return data


def _with_files(value: object, around: frozenset[int] = frozenset()) -> object:
    """The value with a File in place of bytes and paths, which pydantic would write as text.

    What stands inside of itself stays as it is: pydantic says what is wrong.
    """
    match value:
        case bytes():
            return File(value)
        case Path():
            return File.at(value)
        case dict() if not _PLAIN.issuperset(map(type, value.values())) and id(value) not in around:
            return {key: _with_files(inner, around | {id(value)}) for key, inner in value.items()}
        case list() | tuple() if not _PLAIN.issuperset(map(type, value)) and id(value) not in around:
            return [_with_files(inner, around | {id(value)}) for inner in value]
        case _:
            return value


def _plain(exchange: Exchange | None, value: object) -> object:
    """What stands for a value that pydantic does not know."""
    if isinstance(value, File):
        return value.put_out(exchange)
    if (picture := _picture(value)) is not None:
        return picture.put_out(exchange)
    if callable(tolist := getattr(value, "tolist", None)):
        return tolist()
    kind = type(value)
    raise TypeError(f"a {kind.__module__}.{kind.__qualname__} is not JSON; return its parts, or a dict or a dataclass")


def _picture(value: object) -> File | None:
    """A picture of PIL as a file, in the format that it came in, or else as PNG; PIL is not imported for that."""
    pil = sys.modules.get("PIL.Image")
    if pil is None or not isinstance(value, pil.Image):
        return None
    form = value.format or "PNG"
    kinds: Mapping[str, str] = pil.MIME
    content = io.BytesIO()
    value.save(content, format=form)
    return File(content.getvalue(), kinds.get(form, ""), f"image.{form.lower()}")


def _finite(data: bytes) -> bool:
    """Whether the tokens found stand inside of strings only."""
    try:
        from_json(data, allow_inf_nan=False)
    except ValueError:
        return False
    return True


def _reason(text: str) -> str:
    reason = text.removeprefix("Error serializing to JSON: ").removeprefix("TypeError: ")
    return f"{reason}; return bytes as a leveret.File" if reason.startswith("invalid utf-8") else reason
