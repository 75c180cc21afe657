"""Naming: file names for what is downloaded, which lead out of no folder and hide in none."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from leveret.client.data_urls import Content

_UNSAFE: Final = re.compile(r"[^\w. -]")
_UNTOLD: Final = "output"
_LONGEST: Final = 200


def of_content(content: Content) -> str:
    """The name that a data: URL tells, or one that fits its content type."""
    return _safe(content.name) or _UNTOLD + _suffix(content.content_type)


def of_answer(url: str, headers: Mapping[str, str]) -> str:
    """The name that `Content-Disposition` tells, or what stands last in the URL, if that looks like a file."""
    told = Message()
    told["Content-Disposition"] = headers.get("content-disposition", "")
    last = _safe(unquote(urlsplit(url).path))
    content_type = headers.get("content-type", "").partition(";")[0].strip()
    return _safe(told.get_filename() or "") or (last if "." in last else (last or _UNTOLD) + _suffix(content_type))


def free(path: Path) -> Path:
    """The path, or the first one like it where nothing is yet."""
    number, found = 1, path
    while found.exists():
        found = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return found


def _safe(name: str) -> str:
    """What stands last in the name, with what a file system or a person may misread replaced."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return _UNSAFE.sub("_", last).lstrip(".")[-_LONGEST:]


def _suffix(content_type: str) -> str:
    return mimetypes.guess_extension(content_type) or ""
