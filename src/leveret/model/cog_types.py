"""Cog's types: what they are in an input and in an output of a model, and how values become them.

They are known by their names: nothing here imports cog, which a predictor brings along.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin

from leveret.model.file import File


def taken(annotation: object) -> object:
    """What an input of this type is for Leveret."""
    match _cog_name(annotation):
        case "Path" | "URLPath":
            return Path
        case "File" | "URLFile":
            return File
        case "Secret":
            return str
        case _:
            return annotation


def put_out(annotation: object) -> object:
    """What an output of this type is for Leveret."""
    origin = get_origin(annotation) or annotation
    match _cog_name(origin):
        case "ConcatenateIterator":
            return Iterator[(get_args(annotation) or (str,))[0]]  # type: ignore[misc]  # known at run time only
        case "AsyncConcatenateIterator":
            return AsyncIterator[(get_args(annotation) or (str,))[0]]  # type: ignore[misc]  # likewise
        case "Path" | "URLPath":
            return Path
        case "File" | "URLFile":
            return File
        case _ if dataclasses.is_dataclass(annotation):
            return dict
        case _:
            return annotation


def taking(annotation: object) -> Callable[[object], object]:
    """What makes of a value of Leveret's the one that the predictor expects."""
    kinds = {name: one for one in _types(annotation) if (name := _cog_name(one))}

    def convert(value: object) -> object:
        match value:
            case list():
                return [convert(one) for one in value]
            case Path() if (path := kinds.get("Path")) is not None:
                return path(value)  # type: ignore[operator]  # a class
            case File() if "File" in kinds:
                return value.open()
            case str() if (secret := kinds.get("Secret")) is not None:
                return secret(value)  # type: ignore[operator]  # a class
            case _:
                return value

    return convert


def said(value: object) -> object:
    """The output in Leveret's types: its files are found in dicts, not in objects."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: said(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if callable(read := getattr(value, "read", None)):
        return File(read(), name=Path(str(getattr(value, "name", ""))).name)
    return value


def _types(annotation: object) -> Iterator[object]:
    yield annotation
    for one in get_args(annotation):
        yield from _types(one)


def is_a(annotation: object, name: str) -> bool:
    """Whether it is this one of cog's types, whatever it is a type of."""
    return _cog_name(get_origin(annotation) or annotation) == name


def _cog_name(kind: object) -> str:
    """The name of one of cog's types; empty if it is none."""
    return str(getattr(kind, "__name__", "")) if of_cog(kind) else ""


def of_cog(kind: object) -> bool:
    """Whether it is one of cog's types."""
    return str(getattr(kind, "__module__", "")).partition(".")[0] == "cog"


def optional(annotation: object) -> bool:
    """Whether it may be None."""
    return get_origin(annotation) in (Union, UnionType) and type(None) in get_args(annotation)
