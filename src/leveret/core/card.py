"""The card: what a worker announces about its model, so that nobody else has to import it."""

from __future__ import annotations

from msgspec import Raw, Struct


class Card(Struct, frozen=True, kw_only=True):
    """A model as the gateway knows it. Schemas are JSON Schema 2020-12, as JSON.

    `slots` is how many of its runs one worker has under way at once. The timeouts, in seconds, are until its
    predictions must have begun and ended; None is no limit. `retention` is for how long their data stays after that, if
    the model says so; `reuse` for how long an output answers other predictions, in seconds.
    """

    model: str
    version: str
    input_schema: Raw
    output_schema: Raw
    description: str = ""
    batch: int = 1
    slots: int = 1
    streams: bool = False
    queue_timeout: float | None = None
    total_timeout: float | None = None
    retention: float | None = None
    reuse: float | None = None
    announced_at: float = 0.0


class Listing(Struct, frozen=True, kw_only=True):
    """A card, how many workers show that they are alive, and the problem of each that has one, by their names."""

    card: Card
    workers: int
    problems: tuple[str, ...] = ()


class Present(Struct, frozen=True, kw_only=True):
    """A worker that shows that it is alive, and how many runs it has under way.

    `expires_at` is when it counts as gone (Unix seconds) unless it shows another sign of life.
    """

    model: str
    worker: str
    expires_at: float
    problem: str | None = None
    running: int = 0
