"""Outputs: a prediction's log as the stream that Replicate's clients read, in the four kinds of event they know.

    output  a chunk of the output, as text     error  {"detail": why it failed}
    logs    what the run has written           done   {} or {"reason": "canceled" | "error"}

The clients are strict: an event of any other kind, or one without an `id`, ends or mutes their stream. Every kind of
event that Leveret has is on the stream beside this one, gateway/streams.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Raw

from leveret.core.events import Canceled, Entry, Failed, Logs, Output, Reset, Succeeded

FIRST: Final = b"id: 0:0\n\n"
"""Primes the clients' memory of the last `id`; without data it is no event."""

CANCELED: Final = b'{"reason":"canceled"}'
FAILED: Final = b'{"reason":"error"}'

RUN_AGAIN: Final = "the run did not end and its output no longer counts; follow the prediction's `events` instead"

_PLACE: Final = re.compile(r"(\d{1,15}):(\d{1,15})")
_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
"""Whatever some client takes for the end of a line; as the end of a `data` line each becomes a line feed."""

_encoder: Final = msgspec.json.Encoder()


class Outputs:
    """Makes the events of one stream, entry by entry, behind the place where a reconnecting client left off.

    A place is `number:count`: of the log's entry with that number the client has so many events.
    """

    def __init__(self, *, last_event_id: str = "") -> None:
        place = _PLACE.fullmatch(last_event_id)
        self._number, self._count = (int(place[1]), int(place[2])) if place else (0, 0)
        self._any = self._number > 0
        self.done = False
        """Whether the stream has had its last event."""

    @property
    def after(self) -> int:
        """Behind which number to read the log."""
        return max(0, self._number - 1)

    def of(self, entry: Entry, *, large: Raw | None = None) -> bytes:
        """What the client has not seen of this entry; `large` is its output if that is kept as a blob."""
        events = _events(entry, large, some=self._any)
        seen = self._count if entry.number == self._number else 0
        self._any = self._any or isinstance(entry.event, Output)
        self.done = any(kind == "done" for kind, _ in events)
        return b"".join(
            [
                _event(kind, text, f"{entry.number}:{count}")
                for count, (kind, text) in enumerate(events, 1)
                if count > seen
            ]
        )


def _events(entry: Entry, large: Raw | None, *, some: bool) -> Sequence[tuple[str, str]]:
    """The kind and the text of every event that stands for the entry."""
    match entry.event:
        case Output(chunks=chunks):
            return [("output", _text(chunk)) for chunk in chunks]
        case Logs(text=text):
            return [("logs", text)]
        case Reset() if some:
            return _failed(RUN_AGAIN)
        case Succeeded(output=output):
            whole = output if isinstance(output, Raw) else large
            return [*(("output", text) for text in _texts(whole)), ("done", "{}")]
        case Failed(error=error):
            return _failed(error)
        case Canceled():
            return [("done", CANCELED.decode())]
        case _:
            return []


def _failed(error: str) -> Sequence[tuple[str, str]]:
    return [("error", _encoder.encode({"detail": error}).decode()), ("done", FAILED.decode())]


def _texts(output: Raw | None) -> Iterator[str]:
    """The items of a list, or the one value."""
    if output is None:
        return
    if bytes(output).lstrip().startswith(b"["):
        yield from [_text(item) for item in msgspec.json.decode(output, type=list[Raw])]
    else:
        yield _text(output)


def _text(value: Raw) -> str:
    """A string as it is, anything else as JSON."""
    data = bytes(value)
    return msgspec.json.decode(data, type=str) if data.lstrip().startswith(b'"') else data.decode()


def _event(kind: str, text: str, place: str) -> bytes:
    data = "\n".join([f"data: {line}" for line in _LINE_BREAK.split(text)])
    return f"event: {kind}\nid: {place}\n{data}\n\n".encode(errors="replace")
