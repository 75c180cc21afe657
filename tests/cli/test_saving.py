"""Files in outputs, saved to a folder."""

from __future__ import annotations

from pathlib import Path

from leveret.cli.saving import abbreviate, has_files, save
from leveret.client import JSON, Client


def test_every_file_of_an_output_is_saved_and_none_is_overwritten(tmp_path: Path) -> None:
    one, other = "data:text/plain;name=a.txt;base64,aGVsbG8=", "data:text/plain;name=a.txt,bye"
    folder = tmp_path / "new" / "folder"
    with Client("http://127.0.0.1:1") as client:
        saved = save({"files": [one, other], "text": "data", "n": 1}, folder, client)

    assert {"files": [str(folder / "a.txt"), str(folder / "a-1.txt")], "text": "data", "n": 1} == saved
    assert ["hello", "bye"] == [(folder / name).read_text() for name in ("a.txt", "a-1.txt")]


def test_only_a_schema_says_that_an_output_has_files() -> None:
    url: dict[str, JSON] = {"type": "string", "format": "uri"}

    assert has_files({"Output": {"type": "array", "items": url}})
    assert has_files(
        {"Output": {"$ref": "#/components/schemas/Output.Pair"}, "Output.Pair": {"properties": {"a": url}}}
    )
    assert not has_files({"Output": {"type": "string"}, "Input": url})


def test_what_nobody_can_read_is_cut_short() -> None:
    found = abbreviate({"a": ["data:" + "x" * 1000, "y" * 1000]})

    assert isinstance(found, dict)
    assert isinstance(found["a"], list)
    assert ["data:", "y" * 1000] == [str(found["a"][0])[:5], found["a"][1]]
    assert len(str(found["a"][0])) < 200
