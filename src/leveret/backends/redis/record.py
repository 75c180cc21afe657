"""The record as a Redis hash: a field that is absent has its default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from leveret.core import wire
from leveret.core.lifecycle import Field
from leveret.core.prediction import NULL, Blob, Means, Prediction, Status

_blob_encoder = msgspec.json.Encoder()
_blob_decoder = msgspec.json.Decoder(Blob)

_STATUSES: Final = {str(status).encode(): status for status in Status}
_MEANS: Final = {str(means).encode(): means for means in Means}
_DEFAULTS: Final = (None, "", NULL)

_DECODERS: Final[Mapping[bytes, tuple[str, Callable[[bytes], Field]]]] = {
    b"lane": ("lane", int),
    b"ticket": ("ticket", int),
    b"attempt": ("attempt", int),
    b"charged": ("charged", int),
    b"suspect": ("suspect", bytes.decode),
    b"status": ("status", _STATUSES.__getitem__),
    b"worker": ("worker", bytes.decode),
    b"output": ("output", Raw),
    b"output_blob": ("output_blob", _blob_decoder.decode),
    b"error": ("error", bytes.decode),
    b"stopped": ("stopped", _MEANS.__getitem__),
    b"progress": ("progress", float),
    b"started_at": ("started_at", float),
    b"completed_at": ("completed_at", float),
    b"data_removed": ("data_removed", b"1".__eq__),
    b"reused": ("reused", bytes.decode),
}


class Snapshot(Struct, frozen=True):
    """What a hash holds. When it is `live`, the run has reported something and only the log knows everything.

    One that is `gone` was deleted.
    """

    submitted: Prediction
    prediction: Prediction
    live: bool
    gone: bool


def decode(fields: Mapping[bytes, bytes]) -> Snapshot:
    """The record in these fields of a hash, which must exist."""
    submitted = wire.recorded(fields[b"spec"])
    changed: dict[str, Field] = {}
    for key, value in fields.items():
        known = _DECODERS.get(key)
        if known is not None:
            name, decoder = known
            changed[name] = decoder(value)
    submitted = replace(submitted, lane=changed["lane"], ticket=changed.get("ticket", 0))
    return Snapshot(submitted, replace(submitted, **changed), b"live" in fields, b"gone" in fields)


def encode(fields: Mapping[str, Field]) -> tuple[list[str | bytes], list[str]]:
    """What to set (names and values in turn) and what to delete, so that the hash has these fields."""
    present: list[str | bytes] = []
    absent: list[str] = []
    for name, value in fields.items():
        if value in _DEFAULTS:
            absent.append(name)
        else:
            present += (name, _encoded(value))
    return present, absent


def _encoded(value: Field) -> str | bytes:
    match value:
        case str():
            return value
        case Raw():
            return bytes(value)
        case Blob():
            return _blob_encoder.encode(value)
        case _:
            return repr(value)
