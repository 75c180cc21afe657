"""The channel: the model process's end of the socket pair that it shares with its worker."""

from __future__ import annotations

import fcntl
import os
import queue
import socket
import sys
import threading
from collections.abc import Iterable
from typing import Final, NoReturn

from leveret.errors import Undecodable
from leveret.worker.frames import FromChild, Run, Splitter, Stop, ToChild, encode

_READ: Final = 256 * 1024
_ABOVE_STANDARD: Final = 3
"""The lowest file descriptor that is none of stdin, stdout and stderr."""


class Channel:
    """Sends from any thread; what arrives is received by a thread of its own, so that the end is never overlooked.

    Without its worker the process has no purpose: whatever the model is doing then, the process ends at once.
    """

    def __init__(self, descriptor: int) -> None:
        # A duplicate that no program started by the model inherits; a process it only forks closes it.
        own = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ABOVE_STANDARD)
        os.close(descriptor)
        self._socket = socket.socket(fileno=own)
        self._inbox: queue.SimpleQueue[ToChild] = queue.SimpleQueue()
        self._sending = threading.Lock()
        os.register_at_fork(after_in_child=self._socket.close)
        threading.Thread(target=self._receive, name="leveret-receive", daemon=True).start()

    def take(self) -> ToChild:
        """The next frame; waits for it."""
        return self._inbox.get()

    def send(self, frames: Iterable[FromChild]) -> None:
        """Send these frames, in one go."""
        data = b"".join([encode(frame) for frame in frames])
        try:
            with self._sending:
                self._socket.sendall(data)
        except OSError:
            _leave()

    def _receive(self) -> None:
        splitter = Splitter()
        try:
            while data := self._socket.recv(_READ):
                for frame in splitter.feed(data):
                    if not isinstance(frame, Run | Stop):
                        _leave(f"the worker sent a {type(frame).__name__}, which only a model process sends")
                    self._inbox.put(frame)
        except OSError:
            _leave()
        except Undecodable as error:
            _leave(str(error))
        _leave()


def _leave(complaint: str = "") -> NoReturn:
    """End the process at once, from whichever thread: the model may never return to be told."""
    if complaint:
        sys.stderr.write(f"leveret: the model process ends because its worker cannot be understood: {complaint}\n")
        sys.stderr.flush()
    os._exit(1)
