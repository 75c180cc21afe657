"""Reuse: what asks for the same as another prediction gets the output of that one, and the model is not run for it.

    who leads? ─▶ this one: run it
                  one that has not ended: wait
                  one that has succeeded: claim, copy the output, settle
                  one that has failed, was canceled or is gone: lead in its place, and run it

Whoever asks is a prediction of its own all the while, with a message or a note that it needs one. So nothing is lost
if whoever sees to it dies at any point, and what happens to one of them does not happen to the others.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from leveret.core import ports, references, reuse
from leveret.core.blobs import output_key, outputs
from leveret.core.events import Output, Report, Succeeded
from leveret.core.ports import Blobs, Claimed, Pulse, Running, Runs
from leveret.core.prediction import Blob, Prediction, Status
from leveret.core.references import Reference
from leveret.core.reuse import Defaults
from leveret.core.streams import once
from leveret.core.wire import CONTENT_TYPE
from leveret.errors import PredictionNotFound

WORKER: Final = "reuse"
"""Who has a run that consists of copying, if that is no worker."""

LEASE: Final = 10.0
"""Seconds that it may take."""

SHORTEST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 5.0
"""Between two looks at whether a leader has ended, in seconds."""

_chunks: Final = msgspec.json.Decoder(list[Raw])


class Leading(ports.Reuse, Protocol):
    """What this needs of the store."""

    async def get(self, prediction_id: str) -> Prediction:
        """See core.ports.Predictions."""
        ...


class Reuse:
    """Finds who leads, and copies outputs. Any number may do so at once."""

    def __init__(self, *, store: Leading, blobs: Blobs, inline_limit: int) -> None:
        self._store = store
        self._blobs = blobs
        self._inline_limit = inline_limit

    async def leader(self, prediction: Prediction, defaults: Defaults, *, lifetime: float) -> Prediction | None:
        """The one that leads this one: it has succeeded, or has not ended. None if it is this one itself."""
        key = None if prediction.fresh else reuse.key(prediction, defaults)
        instead = ""
        while key is not None:
            found = await self._store.lead(prediction.id, key, lifetime=lifetime, instead=instead)
            if found == prediction.id:
                break
            leader = await self._fit(found)
            if leader is not None:
                return leader
            instead = found
        return None

    async def copied(self, leader: Prediction, run: Running, *, streams: bool) -> tuple[list[Report], Succeeded]:
        """What this run says and how it ends, with the output of the leader and files of its own.

        Of a model that `streams` the chunks come before the end. Raises BlobNotFound, Unavailable.
        """
        content = leader.output if leader.output_blob is None else Raw(await self._read(leader.output_blob))
        content = await self._with_files(content, leader, run)
        end = Succeeded(time.time(), run.attempt, reused=leader.reused or leader.id)
        if len(memoryview(content)) > self._inline_limit:
            key = output_key(run.id, run.attempt)
            blob = await self._blobs.put(key, once(bytes(content)), content_type=CONTENT_TYPE)
            return [], replace(end, output_blob=blob)
        if streams and bytes(content).startswith(b"["):
            return [Output(end.at, end.attempt, _chunks.decode(content))], end
        return [], replace(end, output=content)

    async def _fit(self, prediction_id: str) -> Prediction | None:
        try:
            found = await self._store.get(prediction_id)
        except PredictionNotFound:
            return None
        usable = found.status is Status.SUCCEEDED and not found.data_removed
        return found if usable or not found.status.terminal else None

    async def _read(self, blob: Blob) -> bytes:
        return b"".join([chunk async for chunk in self._blobs.open(blob)])

    async def _with_files(self, output: Raw, leader: Prediction, run: Running) -> Raw:
        """The output with copies of its files: those of the leader go when its time is over."""
        found: dict[str, Reference] = {}

        def note(reference: Reference) -> str | None:
            if reference.blob.key.startswith(f"{outputs(leader.id)}/"):
                found[reference.blob.key] = reference
            return None

        references.replaced(output, note)
        if not found:
            return output
        copies: dict[str, Blob] = {}
        for key, reference in found.items():
            own = f"{outputs(run.id)}/{run.attempt}/{key.rpartition('/')[2]}"
            stream = self._blobs.open(reference.blob)
            copies[key] = await self._blobs.put(own, stream, content_type=reference.blob.content_type)

        def own_file(reference: Reference) -> str | None:
            copy = copies.get(reference.blob.key)
            return None if copy is None else references.write(Reference(copy, reference.name))

        return references.replaced(output, own_file)


def pause(leader: Prediction, *, at: float) -> float:
    """In how many seconds it is worth to look again whether the leader has ended."""
    elapsed = at - (leader.started_at or leader.created_at)
    return min(max(SHORTEST_WAIT, elapsed / 4), LONGEST_WAIT)


async def answered(prediction: Prediction, leader: Prediction, *, runs: Runs, reuse: Reuse, streams: bool) -> bool:
    """Whether it has got the output of the leader; if not, it still waits, or somebody else sees to it."""
    (claim,) = await runs.claim([prediction], worker=WORKER, lease=LEASE)
    if not isinstance(claim, Claimed):
        return False
    run = Running(prediction.id, claim.attempt)
    said, end = await reuse.copied(leader, run, streams=streams)
    if said:
        await runs.append(run, said, worker=WORKER, number=1)
    (pulse,) = await runs.settle([(run, end)], worker=WORKER)
    return pulse is Pulse.OURS
