"""The health: what the model's own `healthcheck` says of it, whatever that raises."""

from __future__ import annotations

from leveret.model.where import Target
from leveret.worker.child.results import raised
from leveret.worker.frames import Checked


def checked(healthcheck: Target | None) -> Checked:
    """Ask the model. It is healthy unless it raises, or answers something that is false and not None."""
    if healthcheck is None:
        return Checked()
    try:
        answer = healthcheck()
        return Checked() if answer is None or answer else Checked("healthcheck() returned False")
    except BaseException as error:
        outcome = raised(error)
        return Checked(outcome.error, outcome.traceback)
