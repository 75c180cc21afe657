"""Messages: what the two sides of a socket say. Each is one JSON object in a text frame.

The client's name what is to be done in `op`, the gateway's what they are in `type`. A `ref` is any text by which the
client knows the answer to what it has asked.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from leveret.core.events import Event
from leveret.errors import LeveretError
from leveret.gateway import body, problems
from leveret.gateway.cancel_after import PATTERN
from leveret.gateway.schemas import REFERENCE
from leveret.gateway.submit import Submission

Ref: TypeAlias = Annotated[str | None, Meta(description="stands in the answer as well")]
Shown: TypeAlias = Annotated[Raw, Meta(extra_json_schema={"$ref": f"{REFERENCE}Prediction"})]
After: TypeAlias = Annotated[int, Meta(ge=0, le=10**15, description="number of the last event that is known")]


class Submit(Submission, frozen=True, kw_only=True, tag_field="op", tag="submit"):
    """Create a prediction of the model, or of the version as in a POST to /v1/predictions: one of the two."""

    model: Annotated[str | None, Meta(description="owner/name")] = None
    version: Annotated[str | None, Meta(description="owner/name, owner/name:version or a version's id")] = None
    cancel_after: Annotated[
        str | None, Meta(description="as the header Cancel-After", extra_json_schema={"pattern": PATTERN})
    ] = None
    idempotency_key: Annotated[
        str | None, Meta(description="as the header Idempotency-Key; of the same account, on whatever connection")
    ] = None
    traceparent: Annotated[str, Meta(description="as the header of that name")] = ""
    tracestate: Annotated[str, Meta(description="as the header of that name")] = ""
    watch: Annotated[bool, Meta(description="watch it from its first event on")] = False
    ref: Ref = None


class Watch(Struct, frozen=True, kw_only=True, tag_field="op", tag="watch"):
    """Send the events of the prediction behind number `after`, as they come."""

    id: str
    after: After = 0


class Unwatch(Struct, frozen=True, tag_field="op", tag="unwatch"):
    """Send no further events of the prediction; nothing happens if it is not watched."""

    id: str


class Cancel(Struct, frozen=True, kw_only=True, tag_field="op", tag="cancel"):
    """Cancel the prediction."""

    id: str
    ref: Ref = None


Operation: TypeAlias = Submit | Watch | Unwatch | Cancel
"""Everything that a client can ask for."""


class Accepted(Struct, frozen=True, kw_only=True, tag="accepted", omit_defaults=True):
    """The prediction is created, and will not be lost."""

    prediction: Shown
    ref: Ref = None
    replayed: Annotated[bool, Meta(description="it was created before, by a submit with the same key")] = False


class Happened(Struct, frozen=True, tag="event"):
    """The entry of this number in the log of a prediction that is watched."""

    id: str
    number: int
    event: Event


class End(Struct, frozen=True, tag="end"):
    """The final event was sent: the prediction is no longer watched."""

    id: str


class AfterCancel(Struct, frozen=True, kw_only=True, tag="prediction", omit_defaults=True):
    """The prediction after a cancel; what runs ends as soon as it has been stopped."""

    prediction: Shown
    ref: Ref = None


class Refused(Struct, frozen=True, kw_only=True, tag="error", omit_defaults=True):
    """Something cannot be done, or a watch cannot go on: watch again behind the last event that has come."""

    problem: Annotated[Raw, Meta(extra_json_schema={"$ref": f"{REFERENCE}Problem"})]
    ref: Ref = None
    id: Annotated[str | None, Meta(description="which prediction it is about")] = None


Message: TypeAlias = Accepted | Happened | End | AfterCancel | Refused
"""Everything that a gateway can say."""


class Label(Struct, frozen=True, kw_only=True):
    """By what a client knows an answer."""

    ref: str | None = None
    id: str | None = None


def decode(text: str) -> Operation:
    """What the client asks for. Raises MalformedJson or InvalidRequest."""
    return body.decode(text.encode(), _operations)


def label(text: str) -> Label:
    """What can be read of what an operation that is none is called."""
    try:
        return _labels.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Label()


def encode(message: Message) -> str:
    """The content of the frame."""
    return _encoder.encode(message).decode()


def content(wanted: Submit) -> bytes:
    """What is asked for, whatever it is called and whoever watches it."""
    return _encoder.encode(replace(wanted, idempotency_key=None, traceparent="", tracestate="", watch=False, ref=None))


def refused(error: LeveretError, *, ref: str | None = None, id: str | None = None) -> Refused:  # noqa: A002 - its name
    """The error as a message."""
    return Refused(problem=Raw(problems.content(error)), ref=ref, id=id)


_operations: Final[msgspec.json.Decoder[Operation]] = msgspec.json.Decoder(Operation)
_labels: Final = msgspec.json.Decoder(Label)
_encoder: Final = msgspec.json.Encoder()
