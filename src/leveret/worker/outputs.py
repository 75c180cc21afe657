"""Outputs: the files that runs put out go among the blobs, before anything that names them is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from leveret.core import references, spooled
from leveret.core.outcome import Raised, Returned, Streamed
from leveret.core.ports import Blobs, Running
from leveret.core.references import Reference
from leveret.errors import InvalidOutput
from leveret.worker.connection import FromRun
from leveret.worker.frames import Chunks, Ended
from leveret.worker.patience import insist
from leveret.worker.spool import Spool, read

_DEFAULT: Final = "application/octet-stream"


def beyond(frame: FromRun, largest: int) -> FromRun:
    """The frame of a run that has put out more than `largest` bytes: what it puts out is dropped, and it fails."""
    match frame:
        case Chunks():
            return replace(frame, chunks=[])
        case Ended(outcome=Returned() | Streamed()):
            reason = f"it has more than {largest} bytes; return less, or raise worker.max_output"
            return replace(frame, outcome=Raised(str(InvalidOutput(reason=reason)), ""))
        case _:
            return frame


class Outputs:
    """Puts the files among the blobs, and references to them in place of what the model process has named them."""

    def __init__(self, *, blobs: Blobs, spool: Spool, patience: float) -> None:
        self._blobs = blobs
        self._spool = spool
        self._patience = patience

    async def stored(self, said: Sequence[FromRun]) -> Sequence[FromRun]:
        """The same, without files on their way. Raises Unavailable when the blobs stay away for too long."""
        if not any(spooled.STRINGS.some(json) for frame in said for json in _outputs(frame)):
            return said
        return [await self._without_files(frame) for frame in said]

    def size(self, frame: FromRun) -> int:
        """How much is put out with it, in bytes, its files included."""
        size = 0
        for json in _outputs(frame):
            size += len(json)
            for text in spooled.STRINGS.found(json) if spooled.STRINGS.some(json) else ():
                place = self._place(text, Running(frame.id, frame.attempt))
                size += 0 if place is None else place.stat().st_size
        return size

    async def _without_files(self, frame: FromRun) -> FromRun:
        found = [text for json in _outputs(frame) for text in spooled.STRINGS.found(json)]
        stored = {text: await self._stored(text, Running(frame.id, frame.attempt)) for text in found}
        return _replaced(frame, stored)

    async def _stored(self, text: str, run: Running) -> str | None:
        """The reference to the file; None if it is none, but only a text that looks like one."""
        file, place = spooled.read(text), self._place(text, run)
        if file is None or place is None:
            return None
        # Where it is, retention finds it: everything of a prediction is below `outputs/{id}/`.
        key, content_type = f"outputs/{run.id}/{run.attempt}/{file.token}", file.content_type or _DEFAULT
        blob = await insist(
            lambda: self._blobs.put(key, read(place), content_type=content_type), patience=self._patience
        )
        place.unlink(missing_ok=True)
        return references.write(Reference(blob, file.name))

    def _place(self, text: str, run: Running) -> Path | None:
        """Where the file is that the model process has named so; None if it is none."""
        file = spooled.read(text)
        place = None if file is None else self._spool.folder(run) / file.token
        return place if place is not None and place.is_file() else None


def _outputs(frame: FromRun) -> Sequence[bytes]:
    """The JSON of what the run has put out with this frame."""
    match frame:
        case Chunks(chunks=chunks):
            return chunks
        case Ended(outcome=Returned(output=output)):
            return (output,)
        case _:
            return ()


def _replaced(frame: FromRun, by: Mapping[str, str | None]) -> FromRun:
    match frame:
        case Chunks(chunks=chunks):
            return replace(frame, chunks=[spooled.STRINGS.replaced(chunk, by.get) for chunk in chunks])
        case Ended(outcome=Returned(output=output)):
            return replace(frame, outcome=Returned(spooled.STRINGS.replaced(output, by.get)))
        case _:
            return frame
