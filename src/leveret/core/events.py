"""The events of a prediction's log. Poll, stream, webhook and dashboard are views of that log.

Entries are numbered from 1 by their place in the log. Every event carries when it happened (`at`, Unix
seconds); what a run reports carries the run's `attempt` too, the fence that refuses what comes too late.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from leveret.core.prediction import Blob, Means
from leveret.errors import Undecodable


class Why(StrEnum):
    """Why something has failed for good and is kept as a dead letter."""

    POISON = "poison"
    """Its runs have crashed the model processes of two workers."""
    EXHAUSTED = "exhausted"
    """As many of its runs are charged as it may have."""
    UNDELIVERABLE = "undeliverable"
    """The broker gave it to workers too often, and none of them began a run."""
    FOREIGN = "foreign"
    """A message that is not ours."""


class Queued(Struct, frozen=True, tag="queued"):
    """Accepted: the first entry of every log."""

    at: float


class Started(Struct, frozen=True, tag="started"):
    """A worker has begun the run number `attempt`."""

    at: float
    attempt: int
    worker: str


class Output(Struct, frozen=True, tag="output"):
    """The run has produced these further chunks of its output, each one JSON."""

    at: float
    attempt: int
    chunks: list[Raw]


class Logs(Struct, frozen=True, tag="logs"):
    """The run has written this text."""

    at: float
    attempt: int
    text: str


class Progress(Struct, frozen=True, tag="progress", omit_defaults=True):
    """The run is this far, from 0 to 1."""

    at: float
    attempt: int
    fraction: float
    message: str = ""


class Reset(Struct, frozen=True, tag="reset", omit_defaults=True):
    """The run has ended without a result; what it had put out no longer counts and another run will follow.

    `charged` is how many of the prediction's runs count against the limit of attempts by now, this one included
    if it does: a number and not whether to add one, so that a store only has to set it. `suspect` is the worker on
    which the run has crashed its model process; unset when it has not, and then nothing changes about that. The next
    run does not begin within `delay` seconds.
    """

    at: float
    attempt: int
    reason: str
    charged: int
    suspect: str | UnsetType = UNSET
    delay: float = 0.0


class Succeeded(Struct, frozen=True, tag="succeeded", omit_defaults=True):
    """The run has ended well. `output` is unset when the output is what has been streamed.

    `reused` is the id of the prediction whose output it is, if the model was not run for this one.
    """

    at: float
    attempt: int
    output: Raw | UnsetType = UNSET
    output_blob: Blob | None = None
    reused: str = ""


class Failed(Struct, frozen=True, tag="failed", omit_defaults=True):
    """It has failed for good. `attempt` is absent when that was decided outside of any run.

    `dead` is absent when the model itself has said what is wrong; with it, it is kept as a dead letter.
    Undeliverable is what only a prediction that waits can be.
    """

    at: float
    error: str
    attempt: int | None = None
    dead: Why | None = None


class Canceled(Struct, frozen=True, tag="canceled", omit_defaults=True):
    """It was canceled, or its deadline passed (`error` then says so). `attempt` is absent as it is with Failed.

    Without an attempt, `stopped` before it started is what only a prediction that waits can be.
    """

    at: float
    attempt: int | None = None
    error: str | None = None
    stopped: Means | None = None


Report: TypeAlias = Output | Logs | Progress
"""What a run says while it goes on; it changes no status."""

Ending: TypeAlias = Reset | Succeeded | Failed | Canceled
"""What ends a run."""

Event: TypeAlias = Queued | Started | Report | Ending


class Entry(Struct, frozen=True):
    """One place in the log: its number, from 1, and the event."""

    number: int
    event: Event

    @property
    def final(self) -> bool:
        """Whether nothing can follow it."""
        return isinstance(self.event, Succeeded | Failed | Canceled)


_OVERHEAD: Final = 64
"""Bytes that any value takes in memory beside its content, about."""

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()


def encode(event: Event) -> bytes:
    """The event as it stands in the log: one JSON object whose `type` names the kind."""
    return _encoder.encode(event)


def decode(data: bytes) -> Event:
    """The event in `data`. Raises Undecodable."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise Undecodable(what="event", reason=str(error)) from error


def name(event: Event) -> str:
    """The kind of the event, as clients see it."""
    return str(event.__struct_config__.tag)


def size(event: Event) -> int:
    """About how many bytes the event takes in memory, for whoever keeps events for somebody slow."""
    match event:
        case Output(chunks=chunks):
            return sum([memoryview(chunk).nbytes + _OVERHEAD for chunk in chunks], _OVERHEAD)
        case Logs(text=text):
            return len(text) + _OVERHEAD
        case Succeeded(output=Raw() as output):
            return memoryview(output).nbytes + _OVERHEAD
        case _:
            return _OVERHEAD
