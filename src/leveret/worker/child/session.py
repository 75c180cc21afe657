"""The session: the model process and whatever it starts end together, and with their worker, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Final, NoReturn

from leveret.worker.child.descriptors import ERR, lifted

_PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h."""

_WATCHER: Final = Path(__file__).with_name("watcher.py")
_END: Final = ERR + 1


def bind() -> None:
    """Bind the life of this process to its worker's, and that of all it will start to its own.

    Its worker's end makes the kernel kill this process, even while the model never lets Python's threads run. But
    that does not reach what the model has started; a watcher does, which is no child of this process, so that a model
    that waits for its children does not wait for it. Where the worker is the first process of a container its end is
    the container's, and nobody would reap the watcher. Only on Linux, from 5.3 on.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getpgrp() == os.getpid() and os.getppid() != 1:
        _start_watcher()


def _start_watcher() -> None:
    try:
        end = lifted(os.pidfd_open(os.getpid()))
    except OSError:
        return
    between = os.fork()
    if between == 0:
        try:
            if os.fork() == 0:
                _watch(end)
        finally:
            os._exit(1)
    os.waitpid(between, 0)
    os.close(end)


def _watch(end: int) -> NoReturn:
    """Become the watcher, which no signal but SIGKILL ends and which keeps nothing open."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(_END):
        os.dup2(nothing, stream)
    os.dup2(end, _END)
    os.set_inheritable(_END, True)
    os.closerange(_END + 1, os.sysconf("SC_OPEN_MAX"))
    os.execv(sys.executable, [sys.executable, "-I", "-S", str(_WATCHER), str(_END)])  # noqa: S606 - all of it is ours
