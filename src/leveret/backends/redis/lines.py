"""The lines: how the predictions of each model move, made of the counts that the scripts keep."""

from __future__ import annotations

from collections.abc import Mapping

from leveret.backends.redis import replies
from leveret.backends.redis.connection import Reply
from leveret.core.lanes import COUNT
from leveret.core.line import Line
from leveret.core.ports import Outbox


def read(reply: Reply) -> Mapping[str, Line]:
    """The hash of all counts: "model what", or "model what lane"."""
    models: dict[str, dict[str, bytes]] = {}
    for field, value in replies.mapping(reply).items():
        model, _, what = field.decode().partition(" ")
        models.setdefault(model, {})[what] = value
    return {model: _line(counts) for model, counts in models.items()}


def outbox(count: Reply, oldest: Reply, time: Reply) -> Outbox:
    """How many stand in the outbox, and since when the first of them might be taken from it."""
    match replies.array(oldest), [int(part) for part in replies.strings(time)]:
        case [bytes(), bytes(score)], [seconds, microseconds]:
            return Outbox(replies.number(count), max(0.0, seconds + microseconds / 1e6 - float(score) / 1000))
        case _:
            return Outbox()


def _line(counts: Mapping[str, bytes]) -> Line:
    return Line(
        entered=_lanes(counts, "entered"),
        left=_lanes(counts, "left"),
        quit=int(counts.get("quit", 0)),
        ended=int(counts.get("ended", 0)),
        seconds=float(counts.get("seconds", 0)),
    )


def _lanes(counts: Mapping[str, bytes], what: str) -> tuple[int, ...]:
    return tuple([int(counts.get(f"{what} {lane}", 0)) for lane in range(COUNT)])
