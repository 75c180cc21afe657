"""Spans: what a worker tells of the runs in its hand to whoever traces them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from msgspec.structs import replace

from leveret.core.events import Canceled, Failed, Succeeded
from leveret.core.outcome import Returned, Streamed
from leveret.core.prediction import Trace
from leveret.core.retry import Again, Finish, Verdict
from leveret.core.tracing import INERT, Tracer
from leveret.worker.frames import Ended, Item, Ready
from leveret.worker.hand import Hand, Held

_WELL: Final = (Returned, Streamed)


class Spans:
    """Begins and ends the spans of what is held: that of an attempt from its claim on, within it that of its run."""

    def __init__(self, *, tracer: Tracer, hand: Hand) -> None:
        self._tracer = tracer
        self._hand = hand

    def claimed(self, held: Held) -> None:
        """It is ours. It ends when it leaves the hand, if nothing is settled before."""
        if held.run.attempt == 1:
            self._tracer.queued(held.prediction)
        held.span = self._tracer.attempt(held.prediction, held.run.attempt, self._hand.worker)

    @contextmanager
    def under_way(self, items: Sequence[Item], ready: Ready) -> Iterator[Sequence[Item]]:
        """The items, each with its run; several that share the calls of their model are also in one of their batch."""
        helds = [self._hand.of(item.id) for item in items]
        together = ready.batch > 1 and len(items) > 1
        try:
            with self._tracer.batch(ready.model, [held.span.trace for held in helds]) if together else INERT as batch:
                yield [self._begun(item, held, batch.trace) for item, held in zip(items, helds, strict=True)]
        finally:
            for held in helds:
                held.running.end(error="broken_off")

    def ran(self, end: Ended) -> None:
        """A run is over."""
        outcome = str(type(end.outcome).__struct_config__.tag)
        well = isinstance(end.outcome, _WELL)
        self._hand.of(end.id).running.end(status=outcome, error="" if well else outcome)

    def _begun(self, item: Item, held: Held, batch: Trace | None) -> Item:
        held.running = self._tracer.run(held.prediction, held.span.trace, batch)
        trace = held.running.trace
        return item if trace is None else replace(item, traceparent=trace.traceparent)


def settled(held: Held, verdict: Verdict) -> None:
    """What follows from the attempt is recorded."""
    match verdict:
        case Finish(ending=Succeeded()):
            held.span.end(status="succeeded")
        case Finish(ending=Failed()):
            held.span.end(status="failed", error="failed")
        case Finish(ending=Canceled()):
            held.span.end(status="canceled")
        case Again():
            held.span.end(status="again", error="again")
