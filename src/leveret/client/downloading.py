"""Downloading: what a URL in an output stands for, into a file that is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from leveret.client import data_urls, naming
from leveret.client.caller import Caller
from leveret.client.exchange import Lost, Opened, Request
from leveret.errors import InvalidRequest


async def download(caller: Caller, url: str, to: Path) -> Path:
    """Write what the URL stands for, a data: URL or one of HTTP, and answer where.

    That is the file `to`, or if that is a folder a new file in it. Raises InvalidRequest.
    """
    if url.startswith("data:"):
        content = data_urls.decode(url)
        path = _place(to, naming.of_content(content))
        with _whole(path) as file:
            file.write(content.data)
        return path
    if not url.startswith(("http:", "https:")):
        raise InvalidRequest(reason=f"{url[:40]!r} is no URL that can be downloaded: it must be data:, http: or https:")
    request = Request(method="GET", path=url, redirects=True)
    opened = await caller.open(request)
    try:
        path = _place(to, naming.of_answer(url, opened.headers))
        with _whole(path) as file:
            await _fetch(caller, request, opened, file)
    finally:
        await opened.body.close()
    return path


async def _fetch(caller: Caller, request: Request, opened: Opened, file: BinaryIO) -> None:
    tries = caller.tries(request)
    while True:
        try:
            while isinstance(chunk := await opened.body.read(), bytes) and chunk:
                file.write(chunk)
        finally:
            await opened.body.close()
        if not isinstance(chunk, Lost):
            return
        await tries.failed(chunk)
        file.seek(0)
        file.truncate()
        opened = await caller.open(request)


def _place(to: Path, name: str) -> Path:
    return naming.free(to / name) if to.is_dir() else to


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which is found at the path once all is written."""
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            yield file
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
