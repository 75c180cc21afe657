"""Outputs: the files that runs put out go among the blobs, before anything that names them is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from leveret.core import references, spooled
from leveret.core.outcome import Returned
from leveret.core.ports import Blobs, Running
from leveret.core.references import Reference
from leveret.worker.connection import FromRun
from leveret.worker.frames import Chunks, Ended
from leveret.worker.patience import insist
from leveret.worker.spool import Spool, read

_DEFAULT: Final = "application/octet-stream"


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

    async def _without_files(self, frame: FromRun) -> FromRun:
        found = [text for json in _outputs(frame) for text in spooled.STRINGS.found(json)]
        stored = {text: await self._stored(text, Running(frame.id, frame.attempt)) for text in found}
        return _replaced(frame, stored)

    async def _stored(self, text: str, run: Running) -> str | None:
        """The reference to the file; None if it is none, but only a text that looks like one."""
        file = spooled.read(text)
        place = None if file is None else self._spool.folder(run) / file.token
        if file is None or place is None or not place.is_file():
            return None
        # Where it is, retention finds it: everything of a prediction is below `outputs/{id}/`.
        key, content_type = f"outputs/{run.id}/{run.attempt}/{file.token}", file.content_type or _DEFAULT
        blob = await insist(
            lambda: self._blobs.put(key, read(place), content_type=content_type), patience=self._patience
        )
        place.unlink(missing_ok=True)
        return references.write(Reference(blob, file.name))


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
