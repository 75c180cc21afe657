"""Arguments: `key=value`, `key=@file` and `key:=json` as the input of a model, typed by its schema."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from leveret.errors import InvalidArgument

if TYPE_CHECKING:
    from leveret.client import JSON

_REFERENCE: Final = "#/components/schemas/"
_STDIN: Final = "-"
_WORDS: Final = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list in JSON",
    "object": "an object in JSON",
    "string": "text",
}


def parse(words: Sequence[str], schemas: Mapping[str, JSON]) -> dict[str, object]:
    """The input that these words make for a model with these schemas. Raises InvalidArgument.

    A file is a Path, or bytes if it comes from the standard input (`key=@-`).
    """
    given: dict[str, list[str]] = {}
    for word in words:
        name, equals, _ = word.partition("=")
        name = name.removesuffix(":")
        if not equals or not name:
            raise InvalidArgument(word=word, reason="write it as key=value, key=@file or key:=json")
        given.setdefault(name, []).append(word)
    inputs = Inputs(schemas)
    return {name: inputs.value(name, found) for name, found in given.items()}


class Inputs:
    """The inputs that a model takes."""

    def __init__(self, schemas: Mapping[str, JSON]) -> None:
        self._schemas = schemas
        self._input = _object(schemas.get("Input"))
        self._known = _object(self._input.get("properties"))

    def value(self, name: str, words: Sequence[str]) -> object:
        """What these words, one or several for the same input, stand for."""
        if name not in self._known and self._input.get("additionalProperties") is False:
            known = ", ".join(self._known) or "none"
            raise InvalidArgument(word=words[0], reason=f"the model has no input {name!r}; it has: {known}")
        kinds = list(self._kinds(self._known.get(name, {})))
        lists = [kind for kind in kinds if kind.get("type") == "array"]
        if lists and not (len(words) == 1 and _is_json(words[0])):
            inner = list(self._kinds(lists[0].get("items", {})))
            return [_one(word, inner) for word in words]
        if len(words) > 1:
            raise InvalidArgument(word=words[1], reason=f"{name!r} is given more than once, and takes one value")
        return _one(words[0], kinds)

    def _kinds(self, schema: JSON) -> Iterator[Mapping[str, JSON]]:
        """The simple schemas of which the value may be one."""
        plain = _object(schema)
        reference = plain.get("$ref")
        if isinstance(reference, str):
            yield from self._kinds(self._schemas.get(reference.removeprefix(_REFERENCE), {}))
            return
        branches = [branch for name in ("anyOf", "oneOf", "allOf") for branch in _list(plain.get(name))]
        for branch in branches:
            yield from self._kinds(branch)
        types = plain.get("type")
        for one in _list(types) or [types]:
            if not branches or one is not None:
                yield {**plain, "type": one}


def _one(word: str, kinds: Sequence[Mapping[str, JSON]]) -> object:
    """What one word stands for, if that is of one of these kinds."""
    name, _, text = word.partition("=")
    if name.endswith(":"):
        return _json(word, text)
    if text.startswith("@"):
        return _file(word, text[1:], kinds)
    for read in (_chosen, _number, _constant, _structure, _text):
        for kind in kinds:
            if (found := read(text, kind)) is not None:
                return found.value
    wanted = " or ".join(dict.fromkeys(_wanted(kind) for kind in kinds))
    raise InvalidArgument(word=word, reason=f"it must be {wanted}")


def _file(word: str, place: str, kinds: Sequence[Mapping[str, JSON]]) -> object:
    """The file, where the model takes one; otherwise the text, or the JSON, that is in it."""
    types = {kind.get("type") for kind in kinds}
    content = _content(word, place)
    if types <= {None} or any(kind.get("format") == "uri" for kind in kinds):
        return content() if place == _STDIN else Path(place)
    if "string" not in types:
        return _json(word, content().decode(errors="replace"))
    try:
        return content().decode()
    except UnicodeDecodeError as error:
        raise InvalidArgument(word=word, reason="the model takes text here, and the file is not UTF-8") from error


def _content(word: str, place: str) -> Callable[[], bytes]:
    """What reads the file. Raises InvalidArgument if it cannot be read."""
    if place == _STDIN:
        return sys.stdin.buffer.read
    try:
        with Path(place).open("rb"):
            return Path(place).read_bytes
    except OSError as error:
        raise InvalidArgument(word=word, reason=f"the file cannot be read ({error.strerror})") from error


class _Found(msgspec.Struct, frozen=True):
    value: object


def _chosen(text: str, kind: Mapping[str, JSON]) -> _Found | None:
    """One of the values that are listed."""
    listed = [kind["const"]] if "const" in kind else _list(kind.get("enum"))
    return next((_Found(one) for one in listed if text == (one if isinstance(one, str) else _shown(one))), None)


def _number(text: str, kind: Mapping[str, JSON]) -> _Found | None:
    readers = {"integer": int, "number": float}
    read = None if _listed(kind) else readers.get(str(kind.get("type")))
    try:
        value = None if read is None else read(text)
    except ValueError:
        return None
    return None if value is None or not math.isfinite(value) else _Found(value)


def _constant(text: str, kind: Mapping[str, JSON]) -> _Found | None:
    constants = {("boolean", "true"): True, ("boolean", "false"): False, ("null", "null"): None}
    key = (str(kind.get("type")), text.lower())
    return _Found(constants[key]) if key in constants and not _listed(kind) else None


def _structure(text: str, kind: Mapping[str, JSON]) -> _Found | None:
    """A list, an object, or of what has no type anything that is JSON."""
    wanted = {"array": list, "object": dict, "None": object}.get(str(kind.get("type")))
    if wanted is None or _listed(kind):
        return None
    try:
        value = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return None
    return _Found(value) if isinstance(value, wanted) else None


def _text(text: str, kind: Mapping[str, JSON]) -> _Found | None:
    return _Found(text) if kind.get("type") in {"string", None} and not _listed(kind) else None


def _wanted(kind: Mapping[str, JSON]) -> str:
    listed = [kind["const"]] if "const" in kind else _list(kind.get("enum"))
    return f"one of {', '.join(map(_shown, listed))}" if listed else _WORDS.get(str(kind.get("type")), "JSON")


def _listed(kind: Mapping[str, JSON]) -> bool:
    return "const" in kind or "enum" in kind


def _json(word: str, text: str) -> object:
    try:
        found: object = msgspec.json.decode(text)
    except msgspec.MsgspecError as error:
        raise InvalidArgument(word=word, reason=f"this is no JSON ({error})") from error
    return found


def _is_json(word: str) -> bool:
    """Whether the word is the whole list itself."""
    name, _, text = word.partition("=")
    return name.endswith(":") or text.startswith("[")


def _shown(value: JSON) -> str:
    return msgspec.json.encode(value).decode()


def _object(value: JSON) -> Mapping[str, JSON]:
    return value if isinstance(value, dict) else {}


def _list(value: JSON) -> Sequence[JSON]:
    return value if isinstance(value, list) else []
