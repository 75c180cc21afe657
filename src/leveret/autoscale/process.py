"""The process: a `leveret worker` of its own, which ends with whoever has started it."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h."""

_libc: Final = ctypes.CDLL(None)


async def started(target: str, *, environment: Mapping[str, str]) -> Process:
    """A worker for this target, with its settings in the environment. Raises OSError if none can be started.

    It is in a session of its own: what is typed in the terminal reaches us alone. `-P` keeps modules that lie in this
    folder from being taken for those of Python.
    """
    line = (sys.executable, "-P", "-m", "leveret", "worker", target)
    bind = _bind if sys.platform == "linux" else None
    return await asyncio.create_subprocess_exec(
        *line, stdin=DEVNULL, env=environment, start_new_session=True, preexec_fn=bind
    )


def told(code: int) -> str:
    """How a process has ended that has ended with this code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _bind() -> None:
    """Have the kernel ask it to drain if we die: another autoscaler would start as many beside it."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
