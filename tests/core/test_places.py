"""Where files are: found by the mark in the schema, however the schema leads there."""

from __future__ import annotations

import msgspec
import pytest

from leveret.core.places import MARK, Json, Places

FILE: Json = {"type": "string", "format": "uri", MARK: True}
TEXT: Json = {"type": "string", "format": "uri"}


def places(properties: Json, **definitions: Json) -> Places:
    return Places(msgspec.json.encode({"type": "object", "properties": properties, "$defs": definitions}))


@pytest.mark.parametrize(
    ("schema", "value", "files"),
    [
        (FILE, "a", {"a"}),
        (TEXT, "a", set()),
        ({"anyOf": [FILE, {"type": "null"}]}, "a", {"a"}),
        ({"anyOf": [FILE, {"type": "null"}]}, None, set()),
        ({"type": "array", "items": FILE}, ["a", "b", 7], {"a", "b"}),
        ({"type": "array", "prefixItems": [TEXT, FILE], "items": TEXT}, ["a", "b", "c"], {"b"}),
        ({"type": "object", "additionalProperties": FILE}, {"x": "a"}, {"a"}),
        ({"$ref": "#/$defs/Pair"}, {"one": "a", "text": "b"}, {"a"}),
        ({"type": "array", "items": {"$ref": "#/$defs/Tree"}}, [{"file": "a", "more": [{"file": "b"}]}], {"a", "b"}),
        ({"anyOf": [{"$ref": "#/$defs/Pair"}, {"$ref": "#/$defs/Other"}]}, {"one": "a", "two": "b"}, {"a", "b"}),
        (True, {"one": "a"}, set()),
    ],
)
def test_a_file_is_found_wherever_the_schema_expects_one(schema: Json, value: Json, files: set[str]) -> None:
    found = places(
        {"it": schema, "other": FILE},
        Pair={"properties": {"one": FILE, "text": TEXT}},
        Other={"properties": {"two": FILE}},
        Tree={"properties": {"file": FILE, "more": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}},
    )

    assert files == found.files({"it": value})
    assert {"it": value} == found.replaced({"it": value}, {})


def test_only_what_stands_for_a_file_is_replaced() -> None:
    found = places({"file": FILE, "files": {"type": "array", "items": FILE}, "text": TEXT})

    replaced = found.replaced({"file": "a", "files": ["a", "b"], "text": "a"}, {"a": "A"})

    assert {"file": "A", "files": ["A", "b"], "text": "a"} == replaced


def test_a_schema_without_files_has_no_place_for_any() -> None:
    assert not Places(msgspec.json.encode({"properties": {"text": TEXT}})).any
    assert places({"file": FILE}).any


def test_what_is_nested_in_a_circle_is_no_trouble() -> None:
    found = places({"it": {"$ref": "#/$defs/A"}}, A={"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}, FILE]})

    assert {"a"} == found.files({"it": "a"})
