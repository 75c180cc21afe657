"""Control: what a worker is told directly, past the queues. A message may be lost, so that nothing may rest on it."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from leveret.errors import Undecodable


class Cancel(Struct, frozen=True, tag="cancel", forbid_unknown_fields=True):
    """A cancel of this prediction was requested: stop its run, if there is one."""

    prediction_id: str


Control: TypeAlias = Cancel
"""Everything that a worker can be told."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Control]] = msgspec.json.Decoder(Control)


def encode(control: Control) -> bytes:
    """The message: one JSON object whose `type` names the kind."""
    return _encoder.encode(control)


def decode(message: bytes) -> Control:
    """What the message says. Raises Undecodable."""
    try:
        return _decoder.decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(what="control message", reason=str(error)) from error
