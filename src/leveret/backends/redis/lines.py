"""The lines: how the predictions of each model move, made of the counts that the scripts keep."""

from __future__ import annotations

from collections.abc import Mapping

from leveret.backends.redis import replies
from leveret.backends.redis.connection import Reply
from leveret.core.lanes import COUNT
from leveret.core.line import Line


def read(reply: Reply) -> Mapping[str, Line]:
    """The hash of all counts: "model what", or "model what lane"."""
    models: dict[str, dict[str, bytes]] = {}
    for field, value in replies.mapping(reply).items():
        model, _, what = field.decode().partition(" ")
        models.setdefault(model, {})[what] = value
    return {model: _line(counts) for model, counts in models.items()}


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
