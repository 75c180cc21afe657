"""The places of files: where in a value its JSON Schema expects a file, by a mark that the schema bears."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw

MARK: Final = "x-leveret-file"
"""The member, `true`, of the schema of every file in an input."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_DEEPEST: Final = 100
"""How many levels of a value are looked at."""

_Nodes: TypeAlias = "list[dict[str, Json]]"
"""Everything that a schema says of one value: the node itself, what it refers to, all its alternatives."""


class Places:
    """Where files are expected in the values of one schema."""

    def __init__(self, schema: Raw | bytes) -> None:
        data = bytes(schema)
        self.any = f'"{MARK}"'.encode() in data
        """Whether there is any such place; nothing else is worth asking then."""
        self._schema: Json = msgspec.json.decode(data) if self.any else {}
        self._root = self._nodes([self._schema])

    def files(self, value: Json) -> set[str]:
        """The strings that stand where a file is expected."""
        found: set[str] = set()

        def note(text: str) -> str:
            found.add(text)
            return text

        self._changed(self._root, value, note, _DEEPEST)
        return found

    def replaced(self, value: Json, by: Mapping[str, str]) -> Json:
        """The value with other strings in place of the files that are named here."""
        return self._changed(self._root, value, lambda text: by.get(text, text), _DEEPEST)

    def _changed(self, nodes: _Nodes, value: Json, change: Callable[[str], str], depth: int) -> Json:
        if not nodes or depth == 0:
            return value
        match value:
            case str():
                return change(value) if any(node.get(MARK) is True for node in nodes) else value
            case list():
                return self._list_changed(nodes, value, change, depth)
            case dict():
                return {
                    name: self._changed(self._nodes(_of_member(nodes, name)), member, change, depth - 1)
                    for name, member in value.items()
                }
            case _:
                return value

    def _list_changed(self, nodes: _Nodes, items: list[Json], change: Callable[[str], str], depth: int) -> Json:
        firsts = [first for node in nodes if isinstance(first := node.get("prefixItems"), list)]
        apart = max(map(len, firsts), default=0)
        rest = self._nodes(_of_item(nodes, apart))
        return [
            self._changed(self._nodes(_of_item(nodes, place)) if place < apart else rest, item, change, depth - 1)
            for place, item in enumerate(items)
        ]

    def _nodes(self, schemas: Iterable[Json]) -> _Nodes:
        found: _Nodes = []
        followed: set[str] = set()
        waiting = list(schemas)
        while waiting:
            schema = waiting.pop()
            if not isinstance(schema, dict):
                continue
            found.append(schema)
            reference = schema.get("$ref")
            if isinstance(reference, str) and reference not in followed:
                followed.add(reference)
                waiting.append(self._referred(reference))
            for kind in ("anyOf", "oneOf", "allOf"):
                branches = schema.get(kind)
                waiting += branches if isinstance(branches, list) else []
        return found

    def _referred(self, reference: str) -> Json:
        node = self._schema
        for step in reference.removeprefix("#").split("/")[1:]:
            node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
        return node


def _of_item(nodes: _Nodes, place: int) -> list[Json]:
    """What is said of the item at this place of a list."""
    found: list[Json] = []
    for node in nodes:
        first = node.get("prefixItems")
        if isinstance(first, list) and place < len(first):
            found.append(first[place])
        else:
            found.append(node.get("items"))
    return found


def _of_member(nodes: _Nodes, name: str) -> list[Json]:
    """What is said of the member of this name of an object."""
    found: list[Json] = []
    for node in nodes:
        members = node.get("properties")
        known = isinstance(members, dict) and name in members
        found.append(members[name] if isinstance(members, dict) and known else node.get("additionalProperties"))
    return found
