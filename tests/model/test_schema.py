"""The schemas: what a gateway is told, and what the model process checks itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import jsonschema_rs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL.Image import Image
from pydantic import BaseModel, Field, field_validator

from leveret import Context, File
from leveret.errors import InvalidInput
from leveret.model.exchange import Exchange
from leveret.model.schema import LISTED, Arguments, Inputs, UnfitType, output_schema
from leveret.model.signature import read
from leveret.model.where import Target

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | bool | None"


class Language(Enum):
    ENGLISH = "en"
    GERMAN = "de"


class Box(BaseModel):
    width: Annotated[float, Field(gt=0)]
    unit: Literal["px", "mm"] = "px"


@dataclass
class Point:
    x: int
    y: int = 0


FILE = {"type": "string", "format": "uri"}
FILE_IN = {**FILE, "pattern": "^(data:|https?://)", "x-leveret-file": True}
SOMEWHERE = [Point(1)]


def everything(  # noqa: PLR0917  # as many as there are kinds
    text: Annotated[str, Field(max_length=5, description="what to read")],
    box: Box,
    image: File | None = None,
    language: Language = Language.ENGLISH,
    points: list[Point] = SOMEWHERE,
    times: int = Field(2, ge=1),
    json: dict[str, int] = {},  # noqa: B006
    _private: bool = False,
    context: Context | None = None,
) -> str:
    return text


def inputs(function: Target, *, batched: bool = False) -> Inputs:
    return Inputs("local/test", read(function, batched=batched).inputs)


def arguments(function: Target, given: Json) -> Arguments:
    return inputs(function).arguments(json.dumps(given).encode())


def problems(function: Target, given: bytes) -> str:
    with pytest.raises(InvalidInput) as refused:
        inputs(function).arguments(given)
    return str(refused.value)


def test_only_urls_that_can_be_read_fit_the_schema_of_a_file() -> None:
    fits = jsonschema_rs.validator_for(json.dumps(FILE_IN)).is_valid

    assert fits("data:image/png;base64,AAAA")
    assert fits("https://example.org/a.png")
    assert fits("http://example.org/a.png")
    assert not fits("x data:,x")
    assert not fits("file:///etc/passwd")
    assert not fits("leveret-blob:x")


def paths(one: Path, some: list[Path], another: Path | None = None) -> str:
    return one.read_text() + "".join(path.read_text() for path in some)


def test_a_path_is_a_file_that_was_put_there_and_never_one_that_a_client_names(tmp_path: Path) -> None:
    schema = json.loads(inputs(paths).schema)["properties"]
    assert (FILE_IN, FILE_IN) == (drop_title(schema["one"]), schema["some"]["items"])
    assert schema["another"]["anyOf"] == [FILE_IN, {"type": "null"}]

    given = b'{"one": "data:text/csv,a", "some": ["data:,b", "data:,c"]}'
    arguments = inputs(paths).arguments(given, Exchange(tmp_path, prediction_id="p1", attempt=1))

    one, some = arguments["one"], arguments["some"]
    assert isinstance(one, Path)
    assert isinstance(some, list)
    assert "abc" == paths(one, some)
    assert all(path.is_relative_to(tmp_path / "p1.1") for path in (one, *some))
    assert ".csv" == one.suffix
    assert "a file is an http(s): URL" in problems(paths, b'{"one": "/etc/passwd", "some": []}')


@dataclass
class Job:
    data: Path


def test_a_path_inside_of_a_class_is_refused() -> None:
    def run(job: Job) -> str:
        return job.data.read_text()

    with pytest.raises(UnfitType, match=r"`job` .* any file in it.* leveret\.File"):
        inputs(run)


def drop_title(schema: Json) -> Json:
    assert isinstance(schema, dict)
    return {name: value for name, value in schema.items() if name != "title"}


def test_the_schema_of_the_inputs_says_everything_that_the_signature_says() -> None:
    schema = json.loads(inputs(everything).schema)

    properties = schema["properties"]
    assert list(properties) == ["text", "box", "image", "language", "points", "times", "json", "_private"]
    assert (schema["required"], schema["additionalProperties"]) == (["text", "box"], False)
    assert properties["text"] == {"type": "string", "maxLength": 5, "title": "Text", "description": "what to read"}
    assert properties["image"]["anyOf"] == [FILE_IN, {"type": "null"}]
    assert properties["language"] == {"$ref": "#/$defs/Language", "default": "en"}
    assert properties["points"]["default"] == [{"x": 1, "y": 0}]
    assert properties["times"] == {"type": "integer", "minimum": 1, "default": 2, "title": "Times"}
    assert schema["$defs"]["Language"]["enum"] == ["en", "de"]
    jsonschema_rs.meta.validate(schema)


def test_json_becomes_the_keyword_arguments_of_one_run() -> None:
    given: Json = {"text": "hare", "box": {"width": 2}, "image": "data:,x", "language": "de", "points": [{"x": 3}]}

    assert arguments(everything, given) == {
        "text": "hare",
        "box": Box(width=2),
        "image": File(b"x", "text/plain;charset=US-ASCII"),
        "language": Language.GERMAN,
        "points": [Point(3)],
        "times": 2,
        "json": {},
        "_private": False,
    }


def test_a_default_that_can_change_is_not_shared_between_runs() -> None:
    checked = inputs(everything)

    first = checked.arguments(b'{"text": "", "box": {"width": 1}}')
    second = checked.arguments(b'{"text": "", "box": {"width": 1}}')

    assert first["json"] is not second["json"]


def test_every_problem_is_listed_with_its_place() -> None:
    given = b'{"text": "leveret", "box": {"width": 0, "unit": "m"}, "points": [{"x": 1}, {"x": "one"}], "a/b": 1}'

    assert problems(everything, given) == (
        "the input does not fit the schema of local/test: "
        "/input/text: String should have at most 5 characters; "
        "/input/box/width: Input should be greater than 0; "
        "/input/box/unit: Input should be 'px' or 'mm'; "
        "/input/points/1/x: Input should be a valid integer, unable to parse string as an integer; "
        "/input/a~1b: the model has no such input"
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (b"{}", "/input/text: it is required; /input/box: it is required"),
        (b"[]", "/input: Input should be an object"),
        (b'"text"', "/input: Input should be an object"),
        (b"{", "/input: Invalid JSON: EOF while parsing an object"),
        (b"", "/input: Invalid JSON: EOF while parsing a value"),
        (b'{"text": "\xff"}', "/input: Invalid JSON: invalid unicode"),
        (b"[" * 100_000, "/input: Invalid JSON: recursion limit exceeded"),
        (
            b'{"text": "", "box": {"width": 1}, "image": "x"}',
            "/input/image: Value error, a file is an http(s): URL, or a data: URL",
        ),
    ],
)
def test_what_is_no_such_object_is_refused(given: bytes, problem: str) -> None:
    assert problem in problems(everything, given)


def test_a_long_list_of_problems_is_cut_and_counted() -> None:
    def sums(numbers: list[int]) -> int:
        return sum(numbers)

    told = problems(sums, json.dumps({"numbers": ["x"] * 1000}).encode())

    assert told.count("/input/numbers/") == LISTED
    assert told.endswith(f"; and {1000 - LISTED} more")


def test_a_number_that_is_not_finite_is_refused() -> None:
    def half(number: float) -> float:
        return number / 2

    assert "/input/number: Input should be a finite number" in problems(half, b'{"number": NaN}')
    assert "/input/number: Input should be a finite number" in problems(half, b'{"number": "inf"}')


def test_what_a_validator_of_the_user_raises_is_told_if_it_is_a_value_error() -> None:
    class Even(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def even(cls, number: int) -> int:
            if number % 2:
                raise ValueError("odd numbers are not for us")
            return number

    def half(even: Even) -> int:
        return even.number // 2

    half.__annotations__["even"] = Even

    assert "/input/even/number: Value error, odd numbers are not for us" in problems(half, b'{"even": {"number": 3}}')


def test_an_alias_is_the_name_that_clients_use() -> None:
    def greet(from_: Annotated[str, Field(alias="from")]) -> str:
        return from_

    assert arguments(greet, {"from": "hare"}) == {"from_": "hare"}
    assert list(json.loads(inputs(greet).schema)["properties"]) == ["from"]


def test_in_a_batched_model_one_client_sends_one_item_and_may_leave_out_what_has_a_default() -> None:
    def embed(texts: list[str], languages: list[Annotated[str, Field(default="en")]]) -> list[int]:
        return [len(text) for text in texts]

    checked = inputs(embed, batched=True)

    assert checked.arguments(b'{"texts": "hare"}') == {"texts": "hare", "languages": "en"}
    assert json.loads(checked.schema)["required"] == ["texts"]


def test_a_model_without_inputs_takes_an_empty_object() -> None:
    def now() -> float:
        return 0.0

    assert arguments(now, {}) == {}
    assert json.loads(inputs(now).schema)["additionalProperties"] is False


def array(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None: ...
def raw(text: str, data: bytes) -> None: ...
def nested(data: list[bytes]) -> None: ...


@pytest.mark.parametrize(("function", "name"), [(array, "values"), (raw, "data"), (nested, "data")])
def test_a_type_without_a_form_in_json_is_refused_by_the_name_of_its_parameter(function: Target, name: str) -> None:
    with pytest.raises(UnfitType, match=f"the type of the parameter `{name}` has no form in JSON.*leveret.File"):
        inputs(function)


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        (str, {"type": "string"}),
        (list[float], {"type": "array", "items": {"type": "number"}}),
        (None, {"type": "null"}),
        (File, FILE),
        (bytes, FILE),
        (Path, FILE),
        (list[bytes], {"type": "array", "items": FILE}),
        (dict[str, Path | None], {"type": "object", "additionalProperties": {"anyOf": [FILE, {"type": "null"}]}}),
        (Image, FILE),
        (np.ndarray, {}),
        (list[np.float32], {}),
    ],
)
def test_the_output_is_described_by_its_annotation(returns: object, expected: Json) -> None:
    assert json.loads(output_schema(returns, streams=False)) == expected


def test_an_output_without_annotation_may_be_anything() -> None:
    def echo(text: str):  # type: ignore[no-untyped-def]  # as users write it
        return text

    signature = read(echo, batched=False)

    assert output_schema(signature.returns, streams=signature.streams) == b"{}"


def words(text: str) -> Iterator[str]:
    yield text


def images(text: str) -> Iterator[File]:
    yield File(b"")


def points(text: str) -> Iterator[Point]:
    yield Point(1)


def anything(text: str):  # type: ignore[no-untyped-def]  # as users write it
    yield text


@pytest.mark.parametrize(
    ("function", "items", "display"),
    [
        (words, {"type": "string"}, "concatenate"),
        (images, FILE, None),
        (points, {"$ref": "#/$defs/Point"}, None),
        (anything, {}, None),
    ],
)
def test_a_stream_is_described_as_an_array_that_grows(function: Target, items: Json, display: str | None) -> None:
    schema = json.loads(output_schema(read(function, batched=False).returns, streams=True))

    assert (schema["type"], schema["items"], schema["x-cog-array-type"]) == ("array", items, "iterator")
    assert schema.get("x-cog-array-display") == display


def plain(
    number: int,
    share: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    word: Literal["a", "b"] | None = None,
    flags: list[bool] = [],  # noqa: B006
    point: Point | None = None,
) -> None: ...


# JSON Schema takes 1e19 for an integer, pydantic does not take so large a number that is written as a float.
floats = st.floats(min_value=-1e18, max_value=1e18)
leaf = st.none() | st.booleans() | st.integers() | floats
value = leaf | st.sampled_from(["a", "b", "5"]) | st.lists(leaf, max_size=2) | st.fixed_dictionaries({"x": leaf})


@given(
    st.fixed_dictionaries(
        {"number": value}, optional=dict.fromkeys(("share", "word", "flags", "point", "other"), value)
    )
)
def test_what_fits_the_schema_is_accepted_by_the_model_process(given: Json) -> None:
    checked = inputs(plain)

    if jsonschema_rs.is_valid(json.loads(checked.schema), given):
        checked.arguments(json.dumps(given).encode())
