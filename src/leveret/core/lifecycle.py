"""The lifecycle: which event may follow which state, and what it makes of the record.

This is the only table of transitions. Backends do not know it: they are handed a `Change` and compare and set.

    starting ──started──▶ processing ──succeeded──▶ succeeded
       ▲  │                 │  │  │
       │  └─failed/canceled─┼──┼──┴──▶ failed | canceled
       └──────reset─────────┘  └─output, logs, progress─▶ processing
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final, TypeAlias

from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

from leveret.core.events import (
    Canceled,
    Event,
    Failed,
    Logs,
    Output,
    Progress,
    Queued,
    Report,
    Reset,
    Started,
    Succeeded,
    Why,
    name,
)
from leveret.core.prediction import NULL, UNFINISHED, Blob, Means, Prediction, Status
from leveret.errors import IllegalTransition

Field: TypeAlias = str | int | float | Raw | Blob | None

_WAITING: Final = frozenset({Status.STARTING})
_RUNNING: Final = frozenset({Status.PROCESSING})

ALLOWED: Final[Mapping[type[Event], frozenset[Status]]] = {
    Queued: _WAITING,
    Started: _WAITING,
    Output: _RUNNING,
    Logs: _RUNNING,
    Progress: _RUNNING,
    Reset: _RUNNING,
    Succeeded: _RUNNING,
    Failed: UNFINISHED,
    Canceled: UNFINISHED,
}


class Change(Struct, frozen=True):
    """One compare-and-set: only if the status is allowed and the attempt is the expected one (None: any)."""

    event: Event
    allowed: frozenset[Status]
    attempt: int | None
    fields: Mapping[str, Field]

    @property
    def final(self) -> bool:
        """Whether it ends the prediction."""
        return "completed_at" in self.fields


def change(event: Event) -> Change:
    """What the event demands of the record and makes of it."""
    attempt = None if isinstance(event, Queued | Started) else event.attempt
    return Change(event=event, allowed=_allowed(event), attempt=attempt, fields=_fields(event))


def apply(prediction: Prediction, event: Event) -> Prediction:
    """The record after the event. Raises IllegalTransition, and then nothing has happened."""
    demanded = change(event)
    if prediction.status not in demanded.allowed or not _fits(prediction, demanded):
        raise IllegalTransition(status=prediction.status, attempt=prediction.attempt, event=name(event))
    match event:
        case Output(chunks=chunks):
            return replace(prediction, output=_extended(prediction.output, chunks))
        case Logs(text=text):
            return replace(prediction, logs=prediction.logs + text)
        case _:
            return replace(prediction, **demanded.fields)


def fold(submitted: Prediction, events: Iterable[Event]) -> Prediction:
    """The record that these events make of a prediction as it was submitted, in linear time."""
    prediction = submitted
    for attempt, group in groupby(events, key=_reporting):
        for event in group if attempt is None else _merged(group):
            prediction = apply(prediction, event)
    return prediction


def _reporting(event: Event) -> int | None:
    return event.attempt if isinstance(event, Report) else None


def _merged(events: Iterable[Event]) -> Iterator[Event]:
    """The same reports as at most one of each kind: thousands of chunks are joined once, not one by one."""
    reports = list(events)
    outputs = [report for report in reports if isinstance(report, Output)]
    logs = [report for report in reports if isinstance(report, Logs)]
    if outputs:
        yield replace(outputs[-1], chunks=[chunk for output in outputs for chunk in output.chunks])
    if logs:
        yield replace(logs[-1], text="".join([log.text for log in logs]))
    yield from [report for report in reports if isinstance(report, Progress)][-1:]


def _fits(prediction: Prediction, demanded: Change) -> bool:
    if isinstance(demanded.event, Started):
        return demanded.event.attempt > prediction.attempt
    return demanded.attempt is None or demanded.attempt == prediction.attempt


def _allowed(event: Event) -> frozenset[Status]:
    match event:
        case Canceled(attempt=None, stopped=Means.NOT_BEGUN) | Failed(attempt=None, dead=Why.UNDELIVERABLE):
            return _WAITING
        case _:
            return ALLOWED[type(event)]


def _fields(event: Event) -> Mapping[str, Field]:
    match event:
        case Queued() | Output() | Logs():
            return {}
        case Progress(fraction=fraction):
            return {"progress": fraction}
        case Started(at=at, attempt=attempt, worker=worker):
            return {"status": Status.PROCESSING, "attempt": attempt, "worker": worker, "started_at": at}
        case Reset():
            return _reset(event)
        case Succeeded():
            return _succeeded(event)
        case Failed(at=at, error=error):
            return {"status": Status.FAILED, "completed_at": at, "error": error}
        case Canceled(at=at, error=error, stopped=stopped):
            return {"status": Status.CANCELED, "completed_at": at, "error": error, "stopped": stopped}


def _succeeded(event: Succeeded) -> Mapping[str, Field]:
    fields: dict[str, Field] = {"status": Status.SUCCEEDED, "completed_at": event.at}
    if event.output is not UNSET:
        fields["output"] = event.output
    if event.output_blob is not None:
        fields["output_blob"] = event.output_blob
    if event.reused:
        fields["reused"] = event.reused
    return fields


def _reset(event: Reset) -> Mapping[str, Field]:
    fields: dict[str, Field] = {
        "status": Status.STARTING,
        "charged": event.charged,
        "worker": "",
        "started_at": None,
        "output": NULL,
        "progress": None,
    }
    if event.suspect is not UNSET:
        fields["suspect"] = event.suspect
    return fields


def _extended(output: Raw, chunks: list[Raw]) -> Raw:
    """The JSON array `output` with the chunks behind it; `null` counts as empty."""
    held = b"" if output == NULL else bytes(output)[1:-1]
    parts: list[bytes | Raw] = [held, *chunks] if held else [*chunks]
    if not parts:
        return Raw(b"[]")
    parts[0] = b"[" + bytes(parts[0])
    parts[-1] = bytes(parts[-1]) + b"]"
    return Raw(b",".join(parts))  # the only copy: an output may be large
