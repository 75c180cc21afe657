"""Inputs: what a run is given, with every file that its input names in the folder of the run."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing
from pathlib import Path, PurePosixPath
from typing import Final, TypeVar

import msgspec

from leveret.core import references, spooled
from leveret.core.places import Places
from leveret.core.ports import Blobs, Running
from leveret.core.prediction import Prediction
from leveret.core.references import Reference
from leveret.core.spooled import Spooled
from leveret.errors import BlobDamaged, BlobNotFound, InputUnreadable
from leveret.outbound import Fetcher
from leveret.worker.spool import Spool, write

T = TypeVar("T")

_NOWHERE: Final = Places(b"{}")
_SCHEMES: Final = ("http://", "https://")
_UNKNOWN: Final = "application/octet-stream"
"""What a server says of a file of which it knows nothing."""

LOOK: Final = 0.5
"""Seconds between two looks at whether a run is still wanted for which files are being fetched."""

_ADDRESS: Final = re.compile(rb'"(https?|leveret-[a-z]+):', re.IGNORECASE)
"""How a file begins that has to be fetched. Data: URLs, which may be long, are for the model process to read."""

_encoder: Final = msgspec.json.Encoder()


class Inputs:
    """Reads inputs, and fetches the files in them."""

    def __init__(self, *, blobs: Blobs, spool: Spool, fetcher: Fetcher) -> None:
        self._blobs = blobs
        self._spool = spool
        self._fetcher = fetcher
        self._schema = b""
        self._places = _NOWHERE

    def places(self, schema: bytes) -> Places:
        """Where files are in the inputs of this schema; a worker has one model, and so one schema."""
        if schema is not self._schema:
            self._schema, self._places = schema, Places(schema)
        return self._places

    async def read(self, prediction: Prediction, run: Running, places: Places, *, wanted: Callable[[], bool]) -> bytes:
        """The input of the run; as it is if the run is no longer `wanted`.

        Raises InputUnreadable, which ends the prediction, or StoreUnavailable.
        """
        content = await self._content(prediction)
        if not places.any or _ADDRESS.search(content) is None:
            return content
        try:
            value = msgspec.json.decode(content)
        except msgspec.MsgspecError:
            return content  # for the model process to say what is wrong
        fetched = await _while(wanted, self._all(places.files(value), run))
        return _encoder.encode(places.replaced(value, fetched)) if fetched else content

    async def _all(self, texts: Iterable[str], run: Running) -> dict[str, str]:
        fetched: dict[str, str] = {}
        for text in texts:
            file = await self._fetched(text, run)
            if file is not None:
                fetched[text] = spooled.write(file)
        return fetched

    async def _content(self, prediction: Prediction) -> bytes:
        blob = prediction.input_blob
        if blob is None:
            return bytes(prediction.input)
        try:
            return b"".join([chunk async for chunk in self._blobs.open(blob)])
        except (BlobNotFound, BlobDamaged) as error:
            raise InputUnreadable(what="the input", reason=str(error)) from error

    async def _fetched(self, text: str, run: Running) -> Spooled | None:
        """The file, now in the folder of the run; None if the string comes as it is."""
        if text.startswith(spooled.SCHEME):
            raise InputUnreadable(what="a file", reason="it is not named by its address")
        if text[:8].lower().startswith(_SCHEMES):
            return await self._downloaded(text, run)
        reference = references.read(text)
        return None if reference is None else await self._copied(reference, run)

    async def _downloaded(self, url: str, run: Running) -> Spooled:
        async with self._fetcher.fetch(url) as file:
            place = await self._place(run, file.name)
            await write(place, file.content)
        kind = "" if file.content_type == _UNKNOWN else file.content_type
        return Spooled(place.name, kind, file.name)

    async def _copied(self, reference: Reference, run: Running) -> Spooled:
        blob, name = reference.blob, reference.name
        place = await self._place(run, name)
        try:
            async with aclosing(self._blobs.open(blob)) as chunks:
                await write(place, chunks)
        except (BlobNotFound, BlobDamaged) as error:
            raise InputUnreadable(what=f"the file {name or blob.key!r}", reason=str(error)) from error
        return Spooled(place.name, blob.content_type, name)

    async def _place(self, run: Running, name: str) -> Path:
        folder = self._spool.folder(run)
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        return folder / spooled.token(os.urandom(16), PurePosixPath(name).suffix)


async def _while(wanted: Callable[[], bool], call: Coroutine[None, None, T]) -> T | None:
    """What the call answers; it is broken off, and that is None, once it is no longer wanted."""
    task = asyncio.ensure_future(call)
    try:
        while not task.done() and wanted():
            await asyncio.wait([task], timeout=LOOK)
        return task.result() if task.done() else None
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
