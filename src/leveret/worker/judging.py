"""Judging: what follows from the end of a run, and what of it the log is told."""

from __future__ import annotations

import random
import time
from typing import TypeAlias

from msgspec import Raw, UnsetType
from msgspec.structs import replace

from leveret.core import deadlines
from leveret.core.events import Canceled, Logs, Output, Progress, Report, Reset, Succeeded
from leveret.core.outcome import Overran, Raised, RetryWanted, Returned, Streamed
from leveret.core.retry import Again, Finish, Verdict, decide
from leveret.worker.connection import FromRun
from leveret.worker.frames import Chunks, Ended, Progressed, Wrote
from leveret.worker.hand import LOST_RECORD, Held, Unwanted

Judged: TypeAlias = tuple[Held, Verdict]
"""A run that has ended, and what follows from it."""


def judge(held: Held, end: Ended, *, at: float, worker: str) -> Judged:
    """What follows for the run that has ended so."""
    lacking = held.refused and isinstance(end.outcome, Returned | Streamed)
    verdict = decide(
        Raised(held.refused, "") if lacking else end.outcome,
        at=at,
        attempt=end.attempt,
        charged=held.claimed.charged,
        max_attempts=held.most,
        worker=worker,
        suspect=held.claimed.suspect,
        jitter=random.random(),  # noqa: S311 - no secret
    )
    return held, _explained(verdict) if held.unwanted is Unwanted.OVERDUE else verdict


def tenable(held: Held, verdict: Verdict) -> Judged:
    """The verdict, or another run where it would need the output that the store has lost."""
    if not held.truncated:
        return held, verdict
    match verdict:
        case Finish(ending=Succeeded(output=UnsetType(), output_blob=None)):
            return held, Again(uncharged(held, LOST_RECORD, at=time.time(), delay=0.0))
        case Finish(ending=Canceled()) if held.unwanted is Unwanted.TRUNCATED:  # it was stopped because of that
            return held, Again(uncharged(held, LOST_RECORD, at=time.time(), delay=0.0))
        case _:
            return held, verdict


def uncharged(held: Held, reason: str, *, at: float, delay: float) -> Reset:
    """The end of a run that another one shall follow, through no fault of the model."""
    return Reset(at, held.run.attempt, reason, charged=held.claimed.charged, delay=delay)


def reported(frame: FromRun, *, at: float) -> Report | None:
    """What the log is told of what the model process says, if anything."""
    match frame:
        case Ended(outcome=(Raised() | RetryWanted() | Overran()) as outcome) if outcome.traceback:
            return Logs(at, frame.attempt, outcome.traceback)
        case Ended():
            return None
        case Chunks(chunks=chunks):
            return Output(at, frame.attempt, [Raw(chunk) for chunk in chunks])
        case Wrote(text=text):
            return Logs(at, frame.attempt, text)
        case Progressed(fraction=fraction, message=message):
            return Progress(at, frame.attempt, fraction, message)


def _explained(verdict: Verdict) -> Verdict:
    """The same, but a run that was stopped because its deadline has passed says so."""
    match verdict:
        case Finish(Canceled(attempt=int(attempt), stopped=how) as ending):
            return Finish(replace(ending, error=deadlines.error(how, runs=attempt - 1)))
        case _:
            return verdict
