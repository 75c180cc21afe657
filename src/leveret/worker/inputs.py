"""Inputs: what a run is given, with every file that its input names in the folder of the run."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import aclosing
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from leveret.core import references, spooled
from leveret.core.places import Places
from leveret.core.ports import Blobs, Running
from leveret.core.prediction import Prediction
from leveret.core.references import Reference
from leveret.core.spooled import Spooled
from leveret.errors import BlobDamaged, BlobNotFound, InputUnreadable
from leveret.worker.spool import Spool, write

_NOWHERE: Final = Places(b"{}")
_ADDRESS: Final = re.compile(rb'"(https?|leveret-[a-z]+):')
"""How a file begins that has to be fetched. Data: URLs, which may be long, are for the model process to read."""

_encoder: Final = msgspec.json.Encoder()


class Inputs:
    """Reads inputs, and fetches the files in them."""

    def __init__(self, *, blobs: Blobs, spool: Spool) -> None:
        self._blobs = blobs
        self._spool = spool
        self._schema = b""
        self._places = _NOWHERE

    def places(self, schema: bytes) -> Places:
        """Where files are in the inputs of this schema; a worker has one model, and so one schema."""
        if schema is not self._schema:
            self._schema, self._places = schema, Places(schema)
        return self._places

    async def read(self, prediction: Prediction, run: Running, places: Places) -> bytes:
        """The input of the run. Raises InputUnreadable, which another try would not change, or StoreUnavailable."""
        content = await self._content(prediction)
        if not places.any or _ADDRESS.search(content) is None:
            return content
        try:
            value = msgspec.json.decode(content)
        except msgspec.MsgspecError:
            return content  # for the model process to say what is wrong
        fetched: dict[str, str] = {}
        for text in places.files(value):
            file = await self._fetched(text, run)
            if file is not None:
                fetched[text] = spooled.write(file)
        return _encoder.encode(places.replaced(value, fetched)) if fetched else content

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
        reference = references.read(text)
        return None if reference is None else await self._copied(reference, run)

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
