"""Saving: the files in an output, written to a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from leveret.client import JSON, Client

_URL: Final = re.compile(r"(?:data:|https?://)\S*")
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
            return str(client.download(output, folder))
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


def _mentions_url(schema: JSON) -> bool:
    if isinstance(schema, dict):
        return schema.get("format") == "uri" or any(map(_mentions_url, schema.values()))
    return isinstance(schema, list) and any(map(_mentions_url, schema))
