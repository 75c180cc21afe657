"""The output: what becomes JSON, and how."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel, Field

from leveret import File
from leveret.errors import InvalidOutput
from leveret.model.output import encode


class Colour(Enum):
    GREY = "grey"


@dataclass
class Hare:
    name: str
    ears: tuple[float, float]


class Burrow(BaseModel):
    depth: float
    hares: list[Hare] = Field(serialization_alias="inhabitants")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ({"a": [1, 2.5, True, "é"], 2: ()}, {"a": [1, 2.5, True, "é"], "2": []}),
        (2**200, 2**200),
        (Colour.GREY, "grey"),
        (Hare("leveret", (0.5, 1.0)), {"name": "leveret", "ears": [0.5, 1.0]}),
        (Burrow(depth=1, hares=[]), {"depth": 1.0, "inhabitants": []}),
        ({"hare"}, ["hare"]),
        (datetime(2025, 3, 14, tzinfo=UTC), "2025-03-14T00:00:00Z"),
        (np.float32(0.5), 0.5),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        ({"score": np.int64(3), "flags": np.array([True])}, {"score": 3, "flags": [True]}),
        (File(b"hare", "image/png"), "data:image/png;base64,aGFyZQ=="),
        ({"images": [File(b"hare", "image/png")]}, {"images": ["data:image/png;base64,aGFyZQ=="]}),
        (b"\xff\x00", "data:application/octet-stream;base64,/wA="),
        ("NaN and Infinity are only words here", "NaN and Infinity are only words here"),
    ],
)
def test_a_value_becomes_json(value: object, expected: object) -> None:
    assert json.loads(encode(value)) == expected


def test_a_path_becomes_the_file_it_names(tmp_path: Path) -> None:
    path = tmp_path / "hare.png"
    path.write_bytes(b"hare")

    assert json.loads(encode(path)) == "data:image/png;name=hare.png;base64,aGFyZQ=="


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "it contains NaN or Infinity"),
        ({"scores": [1.0, -float("inf")]}, "it contains NaN or Infinity"),
        (Hare("leveret", (float("nan"), 1.0)), "it contains NaN or Infinity"),
        (np.array([np.nan]), "it contains NaN or Infinity"),
        ("half a pair: \ud83d", "surrogates not allowed"),
        ([b"\xff"], "return bytes as a leveret.File"),
        ({"engine": object()}, "a builtins.object is not JSON; return its parts, or a dict or a dataclass"),
    ],
)
def test_what_json_cannot_carry_is_refused_with_what_to_do(value: object, reason: str) -> None:
    with pytest.raises(InvalidOutput) as refused:
        encode(value)

    assert reason in str(refused.value)


def test_a_value_that_contains_itself_is_refused() -> None:
    hares: list[object] = []
    hares.append(hares)

    with pytest.raises(InvalidOutput, match="Circular"):
        encode(hares)
