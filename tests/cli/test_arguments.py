"""Words of the command line as inputs, typed by the model's schema."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from leveret.cli.arguments import parse
from leveret.client import JSON
from leveret.errors import InvalidArgument

PROPERTIES: dict[str, JSON] = {
    "n": {"type": "integer"},
    "x": {"type": "number"},
    "on": {"type": "boolean"},
    "text": {"type": "string"},
    "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    "either": {"anyOf": [{"type": "number"}, {"type": "string"}]},
    "numbers": {"type": "array", "items": {"type": "integer"}},
    "several": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]},
    "size": {"$ref": "#/components/schemas/Input.Size"},
    "tone": {"allOf": [{"$ref": "#/components/schemas/Input.Tone"}]},
    "fixed": {"const": "this"},
    "box": {"type": "object"},
    "anything": {},
    "image": {"type": "string", "format": "uri"},
    "images": {"type": "array", "items": {"type": "string", "format": "uri"}},
    "optional": {"type": ["integer", "null"]},
}
SCHEMAS: dict[str, JSON] = {
    "Input": {"type": "object", "additionalProperties": False, "properties": PROPERTIES},
    "Input.Size": {"enum": [1, 2, 4], "type": "integer"},
    "Input.Tone": {"enum": ["loud", "7"], "type": "string"},
}


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("n=-5", -5),
        ("x=5", 5.0),
        ("x=1e3", 1000.0),
        ("on=true", True),
        ("on=False", False),
        ("text=true", "true"),
        ("text=", ""),
        ("text=a=b:=c", "a=b:=c"),
        ('text="quoted"', '"quoted"'),
        ("maybe=7", 7),
        ("maybe=null", None),
        ("either=7", 7.0),
        ("either=seven", "seven"),
        ("numbers=7", [7]),
        ("numbers=[1,2]", [1, 2]),
        ("several=null", ["null"]),
        ("several:=null", None),
        ("size=4", 4),
        ("tone=7", "7"),
        ("fixed=this", "this"),
        ('box={"a":[1]}', {"a": [1]}),
        ("anything=7", 7),
        ("anything=seven", "seven"),
        ("text:=7", 7),
        ("image=https://example.org/a.png", "https://example.org/a.png"),
        ("optional=null", None),
        ("optional=3", 3),
    ],
)
def test_a_word_is_what_the_schema_says(word: str, value: object) -> None:
    (found,) = parse([word], SCHEMAS).values()

    assert (value, type(value)) == (found, type(found))


def test_a_list_is_made_by_repetition() -> None:
    words = ["numbers=1", "text=x", "numbers=2", "several=a", "several=b"]

    assert {"numbers": [1, 2], "text": "x", "several": ["a", "b"]} == parse(words, SCHEMAS)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("n=x", "it must be a whole number"),
        ("n=1.5", "it must be a whole number"),
        ("x=nan", "it must be a number"),
        ("on=yes", "it must be true or false"),
        ("maybe=x", "it must be a whole number or null"),
        ("numbers=x", "it must be a whole number"),
        ("size=3", "it must be one of 1, 2, 4"),
        ("tone=soft", 'it must be one of "loud", "7"'),
        ("fixed=that", 'it must be one of "this"'),
        ("box=[1]", "it must be an object in JSON"),
        ("text:=x", "this is no JSON"),
        ("other=1", "the model has no input 'other'; it has: n, x"),
        ("n", "write it as key=value, key=@file or key:=json"),
        ("=5", "write it as key=value, key=@file or key:=json"),
        ("image=@missing.png", "the file cannot be read (No such file or directory)"),
        ("text=@/", "the file cannot be read (Is a directory)"),
    ],
)
def test_what_cannot_be_an_input_is_told_with_its_reason(word: str, reason: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse([word], SCHEMAS)

    assert reason in str(caught.value)
    assert repr(word) in str(caught.value)


def test_what_takes_one_value_is_not_given_twice() -> None:
    with pytest.raises(InvalidArgument, match="more than once"):
        parse(["n=1", "n=2"], SCHEMAS)


def test_a_file_is_a_file_where_the_model_takes_one_and_its_content_elsewhere(tmp_path: Path) -> None:
    (path := tmp_path / "file").write_text("[1, 2]")

    found = parse([f"{name}=@{path}" for name in ("image", "images", "anything", "text", "numbers")], SCHEMAS)

    assert {
        "image": path,
        "images": [path],
        "anything": path,
        "text": "[1, 2]",
        "numbers": [[1, 2]],
    } == found


def test_a_file_may_come_from_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\x89PNG")))

    assert {"image": b"\x89PNG"} == parse(["image=@-"], SCHEMAS)


def test_text_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "file").write_bytes(b"\xff")

    with pytest.raises(InvalidArgument, match="not UTF-8"):
        parse([f"text=@{path}"], SCHEMAS)


def test_a_model_whose_schema_says_nothing_takes_anything() -> None:
    assert {"a": 1, "b": "x", "c": [1]} == parse(["a=1", "b=x", "c=[1]"], {})
