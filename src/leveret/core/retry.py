"""Retry: what follows from an outcome, and how long to wait before something is tried again."""

from __future__ import annotations

from typing import Final, TypeAlias

from msgspec import Raw, Struct

from leveret.core.events import Canceled, Ending, Failed, Reset, Succeeded, Why
from leveret.core.outcome import (
    Crashed,
    HandedBack,
    Outcome,
    Overran,
    Raised,
    RetryWanted,
    Returned,
    Stopped,
    Streamed,
)
from leveret.core.prediction import Means

RUNGS: Final = (1, 5, 15, 60, 300, 900, 3600)
"""The delays, in seconds, for which the broker keeps a queue."""

LONGEST: Final = 86_400.0
"""The longest delay that a model can ask for, in seconds."""

LOST_WORKER: Final = "its worker was lost"
"""Why a run whose lease has lapsed has ended."""

NO_RUN_LEFT: Final = "it may not run again"
"""Why what waits fails at its claim: it may have fewer runs now than when it was put back."""

TOLERANCE: Final = 0.05
"""How much too early the next run may begin, in seconds: less than what two clocks differ by within a delay."""


class Finish(Struct, frozen=True):
    """Record the ending, then acknowledge."""

    ending: Ending


class Again(Struct, frozen=True):
    """Record the ending, then put the message back to wait for its delay (0: at once)."""

    ending: Reset


Verdict: TypeAlias = Finish | Again


def decide(
    outcome: Outcome,
    *,
    at: float,
    attempt: int,
    charged: int,
    max_attempts: int,
    worker: str,
    suspect: str,
    jitter: float,
) -> Verdict:
    """What an outcome means for the prediction whose run number `attempt` ended `at` with it on this worker.

    `charged` of its earlier runs count against `max_attempts`; `suspect` is the worker on which one of them has
    crashed its model process, or empty. `jitter`, at random from 0 to 1, is for the back-off.
    """
    match outcome:
        case RetryWanted(reason=reason, after=after):
            delay = back_off(charged + 1, jitter=jitter) if after is None else _clamped(after)
            reset = Reset(at=at, attempt=attempt, reason=reason, charged=charged + 1, delay=delay)
            return _bounded(reset, max_attempts=max_attempts)
        case Crashed(cause=cause):
            if suspect not in ("", worker):
                return Finish(_poison(cause, at=at, attempt=attempt))
            delay = back_off(charged + 1, jitter=jitter)
            reset = Reset(at=at, attempt=attempt, reason=cause, charged=charged + 1, suspect=worker, delay=delay)
            return _bounded(reset, max_attempts=max_attempts)
        case HandedBack(reason=reason):
            return Again(Reset(at=at, attempt=attempt, reason=reason, charged=charged))
        case _:
            return Finish(_final(outcome, at=at, attempt=attempt))


def exhausted(cause: str, *, at: float, attempt: int, charged: int, max_attempts: int) -> Failed:
    """The end of what may not run again: `charged` of its runs count, and the run number `attempt` was the last."""
    return Failed(at, f"{cause} (attempt {charged} of {max_attempts})", attempt, dead=Why.EXHAUSTED)


def back_off(charged: int, *, jitter: float) -> float:
    """The delay after the charged run number `charged`, in seconds: one of the first so many rungs, by the jitter.

    So those that have failed together do not come back together.
    """
    rungs = RUNGS[:charged]
    return float(rungs[min(int(jitter * len(rungs)), len(rungs) - 1)])


def pause(failures: int, *, first: float, longest: float, jitter: float) -> float:
    """How long to wait after so many failures in a row before something is tried again, in seconds.

    The bound is `first` and then doubles up to `longest`; `jitter`, at random from 0 to 1, says how much of it, so
    that a thousand clients do not come back together.
    """
    return jitter * min(longest, first * 2.0 ** min(failures, 20))


def rung(delay: float) -> int:
    """The longest rung that is not longer than `delay` seconds, or the first."""
    return max((step for step in RUNGS if step <= delay), default=RUNGS[0])


def _final(outcome: Returned | Streamed | Raised | Stopped | Overran, *, at: float, attempt: int) -> Ending:
    """The end of a run that no other one follows."""
    match outcome:
        case Returned(output=output):
            return Succeeded(at=at, attempt=attempt, output=Raw(output))
        case Streamed():
            return Succeeded(at=at, attempt=attempt)
        case Raised(error=error):
            return Failed(at=at, attempt=attempt, error=error)
        case Stopped(how=how):
            return Canceled(at=at, attempt=attempt, stopped=how)
        case Overran():
            return Failed(at=at, attempt=attempt, error=_overran(outcome))


def _bounded(reset: Reset, *, max_attempts: int) -> Verdict:
    """Another run, unless so many are charged already."""
    if reset.charged < max_attempts:
        return Again(reset)
    end = exhausted(reset.reason, at=reset.at, attempt=reset.attempt, charged=reset.charged, max_attempts=max_attempts)
    return Finish(end)


def _poison(cause: str, *, at: float, attempt: int) -> Failed:
    return Failed(at, f"{cause}, on a second worker: it is not run again", attempt, dead=Why.POISON)


def _clamped(after: float) -> float:
    """From the first rung on: what comes back at once stands in front, and keeps the others from running."""
    return min(max(float(RUNGS[0]), after), LONGEST)  # in this order NaN is the first rung


def _overran(outcome: Overran) -> str:
    error = f"the run took longer than its timeout of {outcome.timeout:g} s"
    return error if outcome.how is Means.INTERRUPTED else f"{error}; its process had to be {outcome.how}"
