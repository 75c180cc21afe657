"""The channel: the model process's end of the socket pair that it shares with its worker."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, NoReturn, TypeAlias

from leveret.errors import Undecodable
from leveret.worker.child.descriptors import lifted
from leveret.worker.child.interrupts import Interrupts
from leveret.worker.frames import Cancel, Check, Frame, FromChild, Run, Splitter, Stop, TimeUp, encode

_READ: Final = 256 * 1024

ToRunner: TypeAlias = Run | Cancel | TimeUp | Check | Stop
"""Everything that the worker sends."""

Taker: TypeAlias = Callable[[ToRunner], None]
"""Takes what the worker sends, in the thread that receives it."""


class Channel:
    """Sends from any thread; what arrives is received by a thread of its own, so that the end is never overlooked.

    Without its worker the process has no purpose: whatever the model is doing then, the process ends at once. Before
    it ends because the worker cannot be understood, it says so to the file descriptor `complaints`.
    """

    def __init__(self, descriptor: int, *, complaints: int, interrupts: Interrupts) -> None:
        # No program that the model starts inherits it; a process that it only forks closes it.
        self._socket = socket.socket(fileno=lifted(descriptor))
        self._complaints = complaints
        self._inbox: queue.SimpleQueue[Run | Check | Stop] = queue.SimpleQueue()
        self._interrupts = interrupts
        self._taker: Taker | None = None
        self._sending = threading.Lock()
        os.register_at_fork(after_in_child=self._socket.close)
        threading.Thread(target=self._receive, name="leveret-receive", daemon=True).start()

    def take(self) -> Run | Check | Stop:
        """What to do next; waits for it. A cancel does not wait for its turn."""
        return self._inbox.get()

    def divert(self, taker: Taker) -> None:
        """Hand what arrives from now on to this, in place of keeping it until it is taken."""
        self._taker = taker

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
                    self._accept(frame)
        except OSError:
            _leave()
        except Undecodable as error:
            self._complain(str(error))
        _leave()

    def _accept(self, frame: Frame) -> None:
        match frame:
            case Run() | Cancel() | TimeUp() | Check() | Stop() if self._taker is not None:
                self._taker(frame)
            case Run(items=items):
                self._interrupts.expect(items)
                self._inbox.put(frame)
            case Cancel():
                ended = self._interrupts.cancel(frame)
                if ended is not None:
                    self.send([ended])
            case TimeUp():
                self._interrupts.time_up(frame)
            case Check() | Stop():
                self._inbox.put(frame)
            case _:
                self._complain(f"the worker sent a {type(frame).__name__}, which only a model process sends")
                _leave()

    def _complain(self, reason: str) -> None:
        text = f"leveret: the model process ends because its worker cannot be understood: {reason}\n"
        with suppress(OSError):  # there may be nobody who reads it
            os.write(self._complaints, text.encode())


def _leave() -> NoReturn:
    """End the process at once, from whichever thread: the model may never return to be told."""
    os._exit(1)
