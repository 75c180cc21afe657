"""Retry: what follows from an outcome, and how long to wait before something is tried again."""

from __future__ import annotations

from typing import Final, TypeAlias

from msgspec import Raw, Struct

from leveret.core.events import Canceled, Ending, Failed, Reset, Succeeded
from leveret.core.outcome import Crashed, HandedBack, Outcome, Raised, Returned, Stopped, Streamed

RUNGS: Final = (1, 5, 15, 60, 300, 900, 3600)
"""The delays, in seconds, for which the broker keeps a queue."""


class Finish(Struct, frozen=True):
    """Record the ending, then acknowledge."""

    ending: Ending


class Again(Struct, frozen=True):
    """Record the ending, then put the message back to wait `delay` seconds (0: at once)."""

    ending: Reset
    delay: float


Verdict: TypeAlias = Finish | Again


def decide(outcome: Outcome, *, at: float, attempt: int, charged: int, max_attempts: int) -> Verdict:
    """What an outcome means for the prediction whose run number `attempt` ended `at` with it.

    `charged` of its earlier runs count against `max_attempts`.
    """
    match outcome:
        case Returned(output=output):
            return Finish(Succeeded(at=at, attempt=attempt, output=Raw(output)))
        case Streamed():
            return Finish(Succeeded(at=at, attempt=attempt))
        case Raised(error=error):
            return Finish(Failed(at=at, attempt=attempt, error=error))
        case Crashed(cause=cause):
            return _crashed(cause, at=at, attempt=attempt, charged=charged + 1, max_attempts=max_attempts)
        case HandedBack(reason=reason):
            return Again(Reset(at=at, attempt=attempt, reason=reason, charged=charged), delay=0.0)
        case Stopped(how=how):
            return Finish(Canceled(at=at, attempt=attempt, stopped=how))


def back_off(charged: int) -> float:
    """The delay after the crash number `charged`, in seconds: one rung up each time."""
    return float(RUNGS[min(charged, len(RUNGS)) - 1])


def pause(failures: int, *, first: float, longest: float, jitter: float) -> float:
    """How long to wait after so many failures in a row before something is tried again, in seconds.

    The bound is `first` and then doubles up to `longest`; `jitter`, at random from 0 to 1, says how much of it, so
    that a thousand clients do not come back together.
    """
    return jitter * min(longest, first * 2.0 ** min(failures, 20))


def rung(delay: float) -> int:
    """The longest rung that is not longer than `delay` seconds, or the first."""
    return max((step for step in RUNGS if step <= delay), default=RUNGS[0])


def _crashed(cause: str, *, at: float, attempt: int, charged: int, max_attempts: int) -> Verdict:
    if charged < max_attempts:
        return Again(Reset(at=at, attempt=attempt, reason=cause, charged=charged), delay=back_off(charged))
    return Finish(Failed(at=at, attempt=attempt, error=f"{cause} (attempt {charged} of {max_attempts})"))
