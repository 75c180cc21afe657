"""The output: what becomes JSON, and how."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel, Field

from leveret import File
from leveret.errors import InvalidOutput
from leveret.model.exchange import Exchange
from leveret.model.output import encode

UNKNOWN = "data:application/octet-stream;base64,"


class Colour(Enum):
    GREY = "grey"


@dataclass
class Hare:
    name: str
    ears: tuple[float, float]


@dataclass
class Raw:
    data: bytes


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
        ([b"hi", {"a": (b"hi",)}], [UNKNOWN + "aGk=", {"a": [UNKNOWN + "aGk="]}]),
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
        (Raw(b"\xff"), "return bytes as a leveret.File"),
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


@dataclass
class Drawing:
    title: str
    picture: File


class TestExchange:
    """Files that are handed over in place of being written as data: URLs."""

    @pytest.fixture
    def exchange(self, tmp_path: Path) -> Exchange:
        return Exchange(tmp_path / "spool", prediction_id="p1", attempt=1)

    def handed(self, exchange: Exchange, text: object) -> tuple[bytes, str, str]:
        """Content, content type and name of what stands in the output."""
        found = exchange.find(str(text))
        assert found is not None
        path, named = found
        return path.read_bytes(), named.content_type, named.name

    def test_bytes_a_path_and_a_file_are_handed_over(self, exchange: Exchange, tmp_path: Path) -> None:
        path = tmp_path / "hare.txt"
        path.write_bytes(b"hare")
        value = [b"%PDF-1.4", {"a": path}, (File(b"x", "a/b", "n"),), Drawing("t", File(b"hare", "image/png"))]

        bare, keyed, listed, drawing = json.loads(encode(value, exchange))
        path.unlink()  # what was handed over is a copy

        assert (b"%PDF-1.4", "application/pdf", "") == self.handed(exchange, bare)
        assert (b"hare", "text/plain", "hare.txt") == self.handed(exchange, keyed["a"])
        assert (b"x", "a/b", "n") == self.handed(exchange, listed[0])
        assert (b"hare", "image/png", "") == self.handed(exchange, drawing["picture"])

    def test_a_picture_is_a_png_unless_it_came_as_something_else(self, exchange: Exchange) -> None:
        picture = Image.new("RGB", (3, 2), "grey")
        jpeg = io.BytesIO()
        picture.save(jpeg, format="JPEG")

        made, loaded = json.loads(encode([picture, Image.open(jpeg)], exchange))

        content, content_type, name = self.handed(exchange, made)
        assert ("image/png", "image.png", (3, 2)) == (content_type, name, Image.open(io.BytesIO(content)).size)
        content, content_type, name = self.handed(exchange, loaded)
        assert ("image/jpeg", "image.jpeg", "JPEG") == (content_type, name, Image.open(io.BytesIO(content)).format)

    def test_text_that_looks_like_one_is_only_text(self, exchange: Exchange) -> None:
        assert ["leveret-spool:x"] == json.loads(encode(["leveret-spool:x"], exchange))

    def test_a_path_without_a_file_is_refused(self, exchange: Exchange, tmp_path: Path) -> None:
        with pytest.raises(InvalidOutput, match="No such file"):
            encode(tmp_path / "nothing", exchange)
