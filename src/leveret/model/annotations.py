"""Annotations: the same type hint with other types in it."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin


def mapped(annotation: object, change: Callable[[object], object]) -> object:
    """The annotation with each type in it replaced by what `change` makes of it."""
    changed = change(annotation)
    if changed is not annotation:
        return changed
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[mapped(arguments[0], change), *arguments[1:]]
    if not arguments or origin in (None, Literal):
        return annotation
    inner = tuple(one if isinstance(one, list) or one is ... else mapped(one, change) for one in arguments)
    if all(one is other for one, other in zip(inner, arguments, strict=True)):
        return annotation
    if origin in (Union, UnionType):
        return reduce(or_, inner)
    return origin[inner]
