"""The worker API: what a worker says to a gateway in place of a store, and what it is answered.

One request carries everything that a worker has to say at a time: a JSON array of calls, answered by a JSON array of as
many answers in the same order. A call can be sent again: it has the same answer, and is the same as once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from leveret.core.card import Card, Listing
from leveret.core.events import Ending, Report
from leveret.core.ports import Claim, Pulse, Running
from leveret.core.prediction import Prediction
from leveret.core.wire import LATEST
from leveret.errors import Undecodable

CALLS: Final = "/worker/v1/calls"
"""Where calls are sent."""

BLOBS: Final = "/worker/v1/blobs"
"""Where large values are."""

LARGEST: Final = 64 * 1024 * 1024
"""The most bytes that one request with calls may have."""

MOST: Final = 1000
"""The most calls that one request may carry."""

WORKER: Final = r"^[A-Za-z0-9._-]{1,200}$"

Name: TypeAlias = Annotated[str, Meta(pattern=WORKER)]
"""By what a worker is known; messages to it are routed by that."""

Lease: TypeAlias = Annotated[float, Meta(ge=0, le=86_400)]
"""Seconds until a sign of life is missed."""


class Take(Struct, frozen=True, tag="claim"):
    """See `Runs.claim`."""

    predictions: list[Prediction]
    worker: Name
    lease: Lease
    most: Annotated[int, Meta(ge=1)] | None = None


class Beat(Struct, frozen=True, tag="beat"):
    """See `Runs.beat`."""

    runs: list[Running]
    worker: Name
    lease: Lease


class Append(Struct, frozen=True, tag="append"):
    """See `Runs.append`."""

    run: Running
    reports: list[Report]
    worker: Name
    number: Annotated[int, Meta(ge=1, le=1 << 53)]


class Settle(Struct, frozen=True, tag="settle"):
    """See `Runs.settle`."""

    endings: list[tuple[Running, Ending]]
    worker: Name


class Announce(Struct, frozen=True, tag="announce"):
    """See `Registry.announce`."""

    card: Card
    worker: Name
    lease: Lease
    problem: str | None = None


class ListCards(Struct, frozen=True, tag="cards"):
    """See `Registry.cards`: those of the key's models."""


class CountRunning(Struct, frozen=True, tag="running"):
    """See `Registry.running`: those of the key's models."""


class Lead(Struct, frozen=True, tag="lead"):
    """See `Reuse.lead`."""

    id: str
    key: Annotated[str, Meta(max_length=300)]
    lifetime: Annotated[float, Meta(gt=0, le=LATEST)]
    instead: str = ""


class Get(Struct, frozen=True, tag="get"):
    """See `Predictions.get`."""

    id: str


class Show(Struct, frozen=True, tag="show"):
    """A prediction as whoever has asked over AMQP is told of it."""

    id: str


class Replied(Struct, frozen=True, tag="replied"):
    """See `Replies.replied`."""

    ids: list[str]


Call: TypeAlias = Take | Beat | Append | Settle | Announce | ListCards | CountRunning | Lead | Get | Show | Replied


class Claims(Struct, frozen=True, tag="claims"):
    """What became of each claim."""

    claims: list[Claim]


class Pulses(Struct, frozen=True, tag="pulses"):
    """What is known of each run."""

    pulses: list[Pulse]


class Taken(Struct, frozen=True, tag="taken"):
    """Whether it was taken: the reports of a run that goes on; anything else always is."""

    taken: bool = True


class Listings(Struct, frozen=True, tag="listings"):
    """The models and their workers."""

    listings: list[Listing]


class Counts(Struct, frozen=True, tag="counts"):
    """How many predictions of each model are being run."""

    counts: Mapping[str, int]


class Led(Struct, frozen=True, tag="led"):
    """Which prediction leads."""

    by: str


class Found(Struct, frozen=True, tag="found"):
    """A prediction."""

    prediction: Prediction


class Shown(Struct, frozen=True, tag="shown"):
    """The body of a message about a prediction."""

    message: Raw


class Refused(Struct, frozen=True, tag="refused"):
    """An error: its code, what it says, and what it is about, as far as that is text."""

    code: str
    detail: str
    about: Mapping[str, str] = {}


Answer: TypeAlias = Claims | Pulses | Taken | Listings | Counts | Led | Found | Shown | Refused

_encoder: Final = msgspec.json.Encoder()
_calls: Final = msgspec.json.Decoder(list[Call])
_answers: Final = msgspec.json.Decoder(list[Answer])


def encode_call(call: Call) -> bytes:
    """One call, to be joined with others."""
    return _encoder.encode(call)


def join(calls: Sequence[bytes]) -> bytes:
    """The body of a request with these calls."""
    return b"[" + b",".join(calls) + b"]"


def decode_calls(body: bytes) -> list[Call]:
    """The calls in the body of a request. Raises Undecodable."""
    try:
        if not body.isascii():
            body.decode()  # msgspec does not look into what it leaves as it is
        return _calls.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(what="request", reason=str(error)) from error


def encode_answers(answers: Sequence[Answer]) -> bytes:
    """The body of the response with these answers."""
    return _encoder.encode(answers)


def decode_answers(body: bytes) -> list[Answer]:
    """The answers in the body of a response. Raises Undecodable."""
    try:
        return _answers.decode(body)
    except msgspec.MsgspecError as error:
        raise Undecodable(what="answer", reason=str(error)) from error
