"""Inputs against the schema of a model."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.errors import InvalidInput
from leveret.gateway.inputs import EXHAUSTIVE, LISTED, InputProblem, InputSchema
from tests.gateway.served import ECHO


def problems(given: object, schema: InputSchema | None = None) -> tuple[list[InputProblem], str]:
    with pytest.raises(InvalidInput) as caught:
        (schema or InputSchema(ECHO)).check(Raw(msgspec.json.encode(given)))
    errors = caught.value.data["errors"]
    assert isinstance(errors, list)
    return errors, str(caught.value.data["summary"])


def test_what_fits_passes() -> None:
    InputSchema(ECHO).check(Raw(b'{"text": "hello", "times": 3, "tone": null}'))


def test_alternatives_say_why_each_does_not_fit() -> None:
    found, _ = problems({"text": "x", "tone": 3})

    reasons = 'the value is not of type "string"; the value is not of type "null"'
    assert [InputProblem("/input/tone", f"no alternative fits ({reasons})")] == found


def test_alternatives_name_the_place_inside() -> None:
    schema = b'{"properties":{"a":{"anyOf":[{"type":"array","items":{"type":"integer"}},{"type":"null"}]}}}'

    found, _ = problems({"a": [1, "x"]}, InputSchema(replace(ECHO, input_schema=Raw(schema))))

    assert '/input/a/1: the value is not of type "integer"' in found[0].message


def test_the_value_itself_is_not_repeated() -> None:
    found, summary = problems({"text": "x", "times": "my secret"})

    assert "secret" not in summary + found[0].message


def test_no_answer_lists_more_than_anybody_reads() -> None:
    found, summary = problems({"text": "x", "tags": [1] * (LISTED + 50)})

    assert LISTED == len(found)
    assert summary.endswith(f"and {LISTED + 49} more")


def test_of_a_large_input_the_first_problem_is_told() -> None:
    found, _ = problems({"text": "x", "tags": [1] * EXHAUSTIVE})

    assert [InputProblem("/input/tags/0", 'the value is not of type "string"')] == found


@pytest.mark.parametrize(
    "schema", [b'{"type":"nonsense"}', b'{"$ref":"https://example.com/x"}', b'{"pattern":"("}', b"[]"]
)
def test_a_schema_that_cannot_be_used_lets_every_object_pass(schema: bytes) -> None:
    InputSchema(replace(ECHO, input_schema=Raw(schema))).check(Raw(b'{"whatever": 1}'))
