"""Saving: the files in an output, written to a folder."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from leveret.client import JSON, Client

_URL: Final = re.compile(r"(?:data:|https?://)\S*")
_DATA: Final = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),")
_NAME: Final = re.compile(r";name=([^;]*)")
_UNSAFE: Final = re.compile(r"[^\w. -]")
_ABBREVIATED: Final = 80


def has_files(schemas: Mapping[str, JSON]) -> bool:
    """Whether the output of a model with these schemas has files in it: strings whose format is that of a URL."""
    return any(_mentions_url(schema) for name, schema in schemas.items() if name.partition(".")[0] == "Output")


def save(output: JSON, folder: Path, client: Client) -> JSON:
    """Write every file of the output to the folder; the output with their paths in their places."""
    match output:
        case dict():
            return {name: save(inner, folder, client) for name, inner in output.items()}
        case list():
            return [save(inner, folder, client) for inner in output]
        case str() if _URL.fullmatch(output):
            folder.mkdir(parents=True, exist_ok=True)
            return str(client.download(output, _free(folder / file_name(output))))
    return output


def abbreviate(output: JSON) -> JSON:
    """The output with what nobody can read cut short."""
    match output:
        case dict():
            return {name: abbreviate(inner) for name, inner in output.items()}
        case list():
            return [abbreviate(inner) for inner in output]
        case str() if output.startswith("data:") and len(output) > _ABBREVIATED:
            return f"{output[:_ABBREVIATED]}… ({len(output)} characters; --output DIR saves it)"
    return output


def file_name(url: str) -> str:
    """A name for what the URL stands for, which leads out of no folder and hides in none."""
    if data := _DATA.match(url):
        named = _NAME.search(data[2])
        name = unquote(named[1]) if named else "output" + (mimetypes.guess_extension(data[1]) or "")
    else:
        name = unquote(urlsplit(url).path)
    name = name.replace("\\", "/").rpartition("/")[2]
    return _UNSAFE.sub("_", name).lstrip(".")[-200:] or "output"


def _free(path: Path) -> Path:
    """The path, or the first one like it where nothing is yet."""
    number, free = 1, path
    while free.exists():
        free = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return free


def _mentions_url(schema: JSON) -> bool:
    if isinstance(schema, dict):
        return schema.get("format") == "uri" or any(map(_mentions_url, schema.values()))
    return isinstance(schema, list) and any(map(_mentions_url, schema))
