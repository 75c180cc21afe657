"""Schemas: JSON Schema documents as the components of an OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, TypeAlias

import msgspec
from msgspec import Raw

Schema: TypeAlias = dict[str, object]

REFERENCE: Final = "#/components/schemas/"
"""What every reference begins with: the one form that clients know."""

_DEFINITION: Final = re.compile(r"#/(?:\$defs|definitions)/(.+)")
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")

_Redirect: TypeAlias = Callable[[str], str | None]


def components(roots: Mapping[str, Raw]) -> Schema:
    """Each schema under its name, and what it defines inside beside it as `Name.Definition`."""
    found: Schema = {}
    for name, raw in roots.items():
        root = msgspec.json.decode(raw)
        definitions = {} if not isinstance(root, dict) else {**root.pop("definitions", {}), **root.pop("$defs", {})}
        redirect = partial(_component, name)
        found[name] = redirected(root, redirect)
        for inner, schema in definitions.items():
            found[_beside(name, inner)] = redirected(schema, redirect)
    return found


def of_structs(types: Iterable[type]) -> Schema:
    """The schemas of these types and of what they hold, by their names; a view has the name of what it shows."""
    _, found = msgspec.json.schema_components(types, ref_template=REFERENCE + "{name}")
    return {_public(name): redirected(schema, _public) for name, schema in found.items()}


def unrolled(schemas: Schema) -> Schema:
    """The components without circles, which some clients follow for ever: where one would close, anything fits."""
    done: Schema = {}

    def visit(name: str, trail: frozenset[str]) -> None:
        def follow(reference: str) -> str | None:
            target = reference.removeprefix(REFERENCE)
            if target in trail or target not in schemas:
                return None
            if target not in done:
                visit(target, trail | {target})
            return reference

        done[name] = redirected(schemas[name], follow)

    for name in schemas:
        if name not in done:
            visit(name, frozenset({name}))
    return {name: done[name] for name in schemas}


def redirected(schema: object, redirect: _Redirect) -> object:
    """The schema with each reference replaced by what `redirect` makes of it; without it where that is None."""
    if isinstance(schema, list):
        return [redirected(inner, redirect) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    found: Schema = {key: redirected(inner, redirect) for key, inner in schema.items()}
    if isinstance(reference := schema.get("$ref"), str):
        found["$ref"] = redirect(reference)
        if found["$ref"] is None:
            del found["$ref"]
    if "propertyName" in schema and isinstance(mapping := schema.get("mapping"), dict):  # the discriminator of a union
        found["mapping"] = {value: redirect(target) for value, target in mapping.items()}
    return found


def _component(root: str, reference: str) -> str | None:
    definition = _DEFINITION.fullmatch(reference)
    if definition is not None:
        return REFERENCE + _beside(root, definition[1].replace("~1", "/").replace("~0", "~"))
    return REFERENCE + root if reference == "#" else None


def _beside(root: str, definition: str) -> str:
    return f"{root}.{_NOT_IN_A_NAME.sub('_', definition)}"


def _public(name: str) -> str:
    return name.removesuffix("View")
