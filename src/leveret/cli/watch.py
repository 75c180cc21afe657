"""`leveret watch`: the log of a prediction, entry by entry, as it grows."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from leveret.cli.output import tell
from leveret.cli.remote import LASTING, Json, Url, connected
from leveret.config import GATEWAY_URL
from leveret.core import events
from leveret.core.events import Entry, Logs, Output, Succeeded

_HIDDEN = frozenset({"type", "at"})


def watch(
    prediction_id: Annotated[str, typer.Argument(metavar="ID", help="the id of a prediction")],
    *,
    after: Annotated[int, typer.Option(min=0, help="only what stands behind the entry with this number")] = 0,
    json: Json = False,
    url: Url = GATEWAY_URL,
) -> None:
    """Follow a prediction to its end: everything that has happened, and what happens now. Ctrl-C leaves it."""
    with connected(url) as client:
        client.get(prediction_id)
    with connected(url, patience=LASTING) as client:
        handle = client.get(prediction_id)
        for entry in handle.events(after=after):
            if json:
                _dump(entry)
            else:
                tell(f"{_time(entry)}  {events.name(entry.event):<9}  {_about(entry)}".rstrip())
        handle.reload().result()


def _dump(entry: Entry) -> None:
    """The entry as one line of JSON: its number and its event."""
    event = msgspec.json.decode(events.encode(entry.event), type=dict[str, msgspec.Raw])
    sys.stdout.write(msgspec.json.encode({"number": entry.number, **event}).decode() + "\n")
    sys.stdout.flush()


def _time(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.event.at, UTC).strftime("%H:%M:%S")


def _about(entry: Entry) -> str:
    """What the event says, on one line."""
    match entry.event:
        case Output(chunks=chunks):
            return " ".join(bytes(chunk).decode() for chunk in chunks)
        case Logs(text=text):
            return msgspec.json.encode(text.rstrip()).decode()[1:-1]
        case Succeeded(output=msgspec.Raw() as output):
            return bytes(output).decode().replace("\n", " ")
        case event:
            told = msgspec.to_builtins(event)
            return ", ".join(f"{name} {value}" for name, value in told.items() if name not in _HIDDEN)
