"""References: there and back, and nothing else taken for one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from leveret.core.prediction import Blob
from leveret.core.references import Reference, read, replaced, write

HARE = Reference(Blob("outputs/p1/1/a.png", 12, "ab" * 32, "image/png"), "hare.png")


@given(name=st.text(max_size=50), content_type=st.text(max_size=50))
def test_a_reference_is_read_as_it_was_written(name: str, content_type: str) -> None:
    reference = Reference(Blob("files/x", 7, "0f" * 32, content_type.encode(errors="replace").decode()), name)
    reference = Reference(reference.blob, name.encode(errors="replace").decode())

    text = write(reference)

    assert reference == read(text)
    assert msgspec.json.encode(text) == f'"{text}"'.encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "leveret-blob:",
        "leveret-blob:files/x",
        write(HARE).replace("outputs", ".."),
        write(HARE).replace("size=12", "size=-1"),
        write(HARE).replace("abab", "ABAB"),
        write(HARE).upper(),
        " " + write(HARE),
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert read(text) is None


@given(
    value=st.recursive(
        st.text() | st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_without_references_stays_as_it_is(value: object) -> None:
    json = Raw(msgspec.json.encode(value))

    assert bytes(replaced(json, lambda _: "other")) == bytes(json)


def test_only_whole_strings_are_replaced() -> None:
    text = write(HARE)
    value = [text, f"see {text}", f'"{text}"', f'\\"{text}"', {"a": text}]

    other = replaced(Raw(msgspec.json.encode(value)), lambda reference: f"https://x/{reference.name}")

    url = "https://x/hare.png"
    assert [url, f"see {text}", f'"{text}"', f'\\"{text}"', {"a": url}] == msgspec.json.decode(other)


def test_what_is_not_replaced_stays() -> None:
    json = Raw(msgspec.json.encode([write(HARE)]))

    assert bytes(replaced(json, lambda _: None)) == bytes(json)
