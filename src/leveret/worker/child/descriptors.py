"""The file descriptors that the model process keeps for itself: apart from the standard streams, which the model may
replace, and closed in every program that the model starts.
"""

from __future__ import annotations

import fcntl
import os
from typing import Final

OUT: Final = 1
ERR: Final = 2


def lifted(descriptor: int) -> int:
    """A duplicate above the standard streams, one of which this may be if the worker was started without it."""
    own = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, ERR + 1)
    os.close(descriptor)
    return own


def own_stderr() -> int:
    """A duplicate of stderr as it is now."""
    try:
        return fcntl.fcntl(ERR, fcntl.F_DUPFD_CLOEXEC, ERR + 1)
    except OSError:  # there is none
        return lifted(os.open(os.devnull, os.O_WRONLY))
