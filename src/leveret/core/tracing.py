"""Traces: where a prediction stands in what others have begun, and what the parts of a process tell of their share.

A trace is told on by the two headers of the W3C (https://www.w3.org/TR/trace-context/): over HTTP, in the message and
the record, and to webhooks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Protocol

from msgspec import Struct

from leveret.core.prediction import Prediction, Trace

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

_PARENT: Final = re.compile("([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE: Final = re.compile("[ -~]{0,512}")
_NONE: Final = {"0" * 32, "0" * 16}


def taken_up(traceparent: str, tracestate: str = "") -> Trace | None:
    """The trace that these headers tell of; None if they tell of none. What is malformed counts as absent."""
    found = _PARENT.fullmatch(traceparent.strip()) if traceparent else None
    if found is None:
        return None
    version, trace, parent, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or trace in _NONE or parent in _NONE:
        return None
    state = tracestate.strip()
    return Trace(f"00-{trace}-{parent}-{flags}", state if _STATE.fullmatch(state) else "")


def headers(trace: Trace | None) -> dict[str, str]:
    """What tells others of it."""
    if trace is None:
        return {}
    if not trace.tracestate:
        return {TRACEPARENT: trace.traceparent}
    return {TRACEPARENT: trace.traceparent, TRACESTATE: trace.tracestate}


class Span(Protocol):
    """Something that goes on, until it is ended or the block is left. Whatever follows from it belongs to `trace`."""

    @property
    def trace(self) -> Trace | None:
        """Where what follows from it stands."""

    def end(self, *, status: int | str = "", error: str = "") -> None:
        """It is over; only the first time counts. `error` is a kind of error: nothing that a user has written."""

    def __enter__(self) -> Span: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Tracer(Protocol):
    """Is told of what goes on. Every call is cheap and never fails."""

    def request(self, method: str, route: str, parent: Trace | None) -> Span:
        """A request that creates predictions is being answered. Its status is that of the answer."""
        ...

    def publish(self, prediction: Prediction) -> Span:
        """A prediction is being recorded and queued."""
        ...

    def queued(self, prediction: Prediction) -> None:
        """A prediction has waited for its first run, from its creation until now."""

    def attempt(self, prediction: Prediction, attempt: int, worker: str) -> Span:
        """A worker sees to a run of it, from its claim to its acknowledgement."""
        ...

    def run(self, prediction: Prediction, parent: Trace | None, batch: Trace | None) -> Span:
        """The model process has it, as a part of the batch if there is one."""
        ...

    def batch(self, model: str, members: Sequence[Trace | None]) -> Span:
        """Several are run together. It belongs to none of their traces, and is linked with each."""
        ...

    def setup(self, model: str, seconds: float) -> None:
        """A model process was set up, and took so long."""

    def call(self, prediction: Prediction, url: str, attempt: int) -> Span:
        """A webhook is called for the prediction. Its status is that of the answer."""
        ...


class Inert(Struct, frozen=True):
    """A span that nobody records: what follows from it follows from what it followed from."""

    trace: Trace | None = None

    def end(self, *, status: int | str = "", error: str = "") -> None:
        """See Span."""

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """See Span."""


class Silent:
    """Records nothing, and passes on what it is given."""

    def request(self, method: str, route: str, parent: Trace | None) -> Span:
        """See Tracer."""
        return _inert(parent)

    def publish(self, prediction: Prediction) -> Span:
        """See Tracer."""
        return _inert(prediction.trace)

    def queued(self, prediction: Prediction) -> None:
        """See Tracer."""

    def attempt(self, prediction: Prediction, attempt: int, worker: str) -> Span:
        """See Tracer."""
        return _inert(prediction.trace)

    def run(self, prediction: Prediction, parent: Trace | None, batch: Trace | None) -> Span:
        """See Tracer."""
        return _inert(parent)

    def batch(self, model: str, members: Sequence[Trace | None]) -> Span:
        """See Tracer."""
        return INERT

    def setup(self, model: str, seconds: float) -> None:
        """See Tracer."""

    def call(self, prediction: Prediction, url: str, attempt: int) -> Span:
        """See Tracer."""
        return _inert(prediction.trace)


INERT: Final = Inert()
UNTRACED: Final = Silent()


def _inert(trace: Trace | None) -> Span:
    return INERT if trace is None else Inert(trace)
