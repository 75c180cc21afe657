"""Deadlines: by when a prediction must have begun its first run, and by when it must have ended."""

from __future__ import annotations

from typing import Final

from leveret.core.events import Canceled
from leveret.core.prediction import Means, Prediction, Status

LONGEST: Final = 366 * 24 * 3600.0
"""The longest time, in seconds, that a deadline may be away when it is set."""

BEFORE_IT_STARTED: Final = "deadline passed before it started"
BEFORE_IT_RAN_AGAIN: Final = "deadline passed before it could run again"
WHILE_IT_RAN: Final = "deadline passed while it ran"


def earliest(created_at: float, *timeouts: float | None) -> float | None:
    """When the first of these times after the creation has passed; None is no limit."""
    given = [timeout for timeout in timeouts if timeout is not None]
    return created_at + min(given) if given else None


def bounded(prediction: Prediction) -> bool:
    """Whether it has any deadline."""
    return prediction.start_by is not None or prediction.deadline is not None


def due(prediction: Prediction) -> float | None:
    """When the next of its deadlines passes; that of its start counts until its first run begins."""
    start_by, deadline = prediction.start_by, prediction.deadline
    if start_by is None or prediction.attempt > 0:
        return deadline
    return start_by if deadline is None else min(start_by, deadline)


def overdue(prediction: Prediction, at: float) -> Canceled | None:
    """How it ends if a deadline has passed by then; a run that goes on is for its worker to stop first."""
    passes = due(prediction)
    if passes is None or at < passes or prediction.status.terminal:
        return None
    if prediction.status is Status.PROCESSING:
        return Canceled(at, error=WHILE_IT_RAN)
    return Canceled(at, error=error(Means.NOT_BEGUN, runs=prediction.attempt), stopped=Means.NOT_BEGUN)


def error(how: Means | None, *, runs: int) -> str:
    """Which deadline has passed, by how the run was stopped: `runs` had begun before it."""
    if how is not Means.NOT_BEGUN:
        return WHILE_IT_RAN
    return BEFORE_IT_RAN_AGAIN if runs else BEFORE_IT_STARTED
