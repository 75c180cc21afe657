"""Downloading: what a URL in an output stands for, into a file that is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from leveret.client import data_urls
from leveret.client.caller import Caller
from leveret.client.exchange import Lost, Request
from leveret.errors import InvalidRequest


async def download(caller: Caller, url: str, to: Path) -> Path:
    """Write what the URL stands for to the file `to`: a data: URL, or one of HTTP. Raises InvalidRequest."""
    if not url.startswith(("data:", "http:", "https:")):
        raise InvalidRequest(reason=f"{url[:40]!r} is no URL that can be downloaded: it must be data:, http: or https:")
    part = to.with_name(f".{to.name}.{uuid4().hex}")
    try:
        with part.open("xb") as file:
            if url.startswith("data:"):
                file.write(data_urls.decode(url).data)
            else:
                await _fetch(caller, url, file)
        os.replace(part, to)
    finally:
        part.unlink(missing_ok=True)
    return to


async def _fetch(caller: Caller, url: str, file: BinaryIO) -> None:
    request = Request(method="GET", path=url, redirects=True)
    tries = caller.tries(request)
    while True:
        opened = await caller.open(request)
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
