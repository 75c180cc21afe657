"""Frames: what a worker and its model process say to each other over their socket pair.

A frame is 4 bytes of length, big-endian, and that many bytes of MessagePack. Nothing is ever unpickled.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from leveret.core.outcome import Outcome
from leveret.core.ports import Running
from leveret.errors import Undecodable

LIMIT: Final = 512 * 1024 * 1024
"""The largest frame, in bytes; a larger length means that the stream is not ours."""

_LENGTH: Final = 4


class Item(Struct, frozen=True, omit_defaults=True):
    """One prediction to run: its input is JSON. `alone` is for a run beside which no other shall be under way.

    `traceparent` is for what the model may have to tell others.
    """

    id: str
    attempt: int
    input: bytes
    alone: bool = False
    traceparent: str = ""


class Run(Struct, frozen=True, tag="run"):
    """Run these items: together in one call of a batched model, otherwise in their turn."""

    items: list[Item]


class Cancel(Struct, frozen=True, tag="cancel"):
    """Stop this run: it is no longer wanted."""

    id: str
    attempt: int


class TimeUp(Struct, frozen=True, tag="time_up"):
    """This call of the model takes longer than its timeout, in seconds: interrupt it."""

    call: int
    timeout: float


class Check(Struct, frozen=True, tag="check"):
    """Tell, before the next run, whether the model is healthy."""


class Stop(Struct, frozen=True, tag="stop"):
    """Finish what has been sent, then end."""


class Ready(Struct, frozen=True, tag="ready", kw_only=True):
    """The model is loaded and set up. This is what its card is made of; schemas are JSON."""

    model: str
    version: str
    input_schema: bytes
    output_schema: bytes
    description: str
    batch: int
    batch_window: float
    streams: bool
    max_attempts: int | None = None
    """How many runs of a prediction may be charged, if the model says so."""
    queue_timeout: float | None = None
    total_timeout: float | None = None
    retention: float | None = None
    reuse: float | None = None
    concurrency: int = 1
    timeout: float | None = None
    max_memory: int | None = None
    max_predictions: int | None = None
    checks: bool = False


class Loaded(Struct, frozen=True, tag="loaded"):
    """The model is loaded and about to be set up; when that has been done it will be `ready` as this says."""

    ready: Ready


class NotReady(Struct, frozen=True, tag="not_ready"):
    """The model cannot be served. `usage` tells a mistake in the user's file from a setup that failed."""

    error: str
    traceback: str
    usage: bool


class Checked(Struct, frozen=True, tag="checked"):
    """What the model says of its health. With a problem the process begins nothing more, and ends."""

    problem: str = ""
    traceback: str = ""


class Begun(Struct, frozen=True, tag="begun"):
    """A call of the model begins now, for these runs; `call` numbers it. Only said where calls have a timeout."""

    call: int
    runs: list[Running]


class Chunks(Struct, frozen=True, tag="chunks"):
    """Further chunks of the output of a run, each one JSON."""

    id: str
    attempt: int
    chunks: list[bytes]


class Wrote(Struct, frozen=True, tag="wrote"):
    """A run has written this to its logs."""

    id: str
    attempt: int
    text: str


class Progressed(Struct, frozen=True, tag="progressed"):
    """A run is this far, from 0 to 1."""

    id: str
    attempt: int
    fraction: float
    message: str


class Ended(Struct, frozen=True, tag="ended"):
    """A run has ended; `seconds` is how long the model took."""

    id: str
    attempt: int
    outcome: Outcome
    seconds: float


ToChild: TypeAlias = Run | Cancel | TimeUp | Check | Stop
FromChild: TypeAlias = Loaded | Ready | NotReady | Checked | Begun | Chunks | Wrote | Progressed | Ended
Frame: TypeAlias = ToChild | FromChild

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[Frame]] = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    """The frame with its length in front."""
    body = _encoder.encode(frame)
    return len(body).to_bytes(_LENGTH) + body


class Splitter:
    """Cuts a stream of bytes into frames; feed it whatever has arrived."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def partial(self) -> bool:
        """Whether a frame has begun that has not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are complete now. Raises Undecodable; the stream is of no use then."""
        self._buffer += data
        frames: list[Frame] = []
        start = 0
        while len(self._buffer) - start >= _LENGTH:
            length = int.from_bytes(self._buffer[start : start + _LENGTH])
            if length > LIMIT:
                raise Undecodable(what="frame", reason=f"a length of {length} bytes")
            end = start + _LENGTH + length
            if len(self._buffer) < end:
                break
            frames.append(_decoded(memoryview(self._buffer)[start + _LENGTH : end]))
            start = end
        del self._buffer[:start]
        return frames


def _decoded(body: memoryview) -> Frame:
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(what="frame", reason=str(error)) from error
    finally:
        body.release()
