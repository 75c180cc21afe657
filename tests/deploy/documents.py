"""Documents: YAML and JSON that describe a deployment, read with types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import yaml

Node: TypeAlias = "str | int | float | bool | list[Node] | dict[str, Node] | None"
Mapped: TypeAlias = "dict[str, Node]"


def load(path: Path) -> Mapped:
    """The one document in this file."""
    (document,) = parse(path.read_text())
    return document


def parse(text: str) -> Iterator[Mapped]:
    """Every document in this text that is not empty."""
    for document in yaml.safe_load_all(text):
        if document:
            yield mapped(document)


def mapped(node: Node) -> Mapped:
    """The node, which is a mapping."""
    assert isinstance(node, dict), node
    return node


def listed(node: Node) -> list[Node]:
    """The node, which is a list; a missing one is empty."""
    assert node is None or isinstance(node, list), node
    return node or []


def at(node: Node, path: str) -> Node:
    """What stands at this path: names of members and numbers of entries, by dots; None where there is nothing."""
    for step in path.split("."):
        if isinstance(node, list):
            node = node[int(step)] if int(step) < len(node) else None
        elif isinstance(node, dict):
            node = node.get(step)
        else:
            return None
    return node
