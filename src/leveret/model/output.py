"""The output: what a model returned, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic_core import PydanticSerializationError, from_json, to_json

from leveret.errors import InvalidOutput
from leveret.model.file import File

_NOT_FINITE: Final = (b"NaN", b"Infinity")


def encode(value: object) -> bytes:
    """The value as JSON. Raises InvalidOutput.

    Dataclasses, pydantic models, enums, dates and sets are written as pydantic writes them, a File as a data: URL,
    arrays and their numbers (numpy, torch) by their `tolist()`. Bytes or a Path alone are a file. NaN and Infinity,
    which JSON does not have, are refused; what a pydantic model makes of them is up to its own configuration.
    """
    if isinstance(value, bytes):
        value = File(value)
    elif isinstance(value, Path):
        value = File.from_path(value)
    try:
        data = to_json(value, inf_nan_mode="constants", fallback=_plain)
    except PydanticSerializationError as error:
        raise InvalidOutput(reason=_reason(str(error))) from error
    if any(token in data for token in _NOT_FINITE) and not _finite(data):
        raise InvalidOutput(reason="it contains NaN or Infinity; return None or a number in their place")
    return data


def _plain(value: object) -> object:
    """What stands for a value that pydantic does not know."""
    if isinstance(value, File):
        return value.url
    if callable(tolist := getattr(value, "tolist", None)):
        return tolist()
    kind = type(value)
    raise TypeError(f"a {kind.__module__}.{kind.__qualname__} is not JSON; return its parts, or a dict or a dataclass")


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
