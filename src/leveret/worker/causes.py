"""The causes: why a model process cannot serve or has ended, in words for people."""

from __future__ import annotations

import signal

from leveret.errors import ModelLoadError, SetupFailed
from leveret.worker.frames import NotReady, Ready


def checked(said: Ready | NotReady, target: str) -> Ready:
    """What the process says of its model if that is set up. Raises ModelLoadError, SetupFailed."""
    match said:
        case Ready():
            return said
        case NotReady(error=error, usage=True):
            where, _, reason = error.partition(": ")
            raise ModelLoadError(where=where if reason else target, reason=reason or error)
        case NotReady(error=error, traceback=traceback):
            raise SetupFailed(reason="\n".join(filter(None, (error, traceback))))


def of_end(returncode: int) -> str:
    """Why the process has ended."""
    if returncode >= 0:
        return f"the model process ended with exit code {returncode}"
    cause = f"the model process was killed by signal {-returncode}"
    if -returncode == signal.SIGKILL:
        return f"{cause}, probably out of memory"
    return f"{cause} ({signal.strsignal(-returncode)})"
