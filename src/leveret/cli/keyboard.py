"""The keyboard: single keys, and the news that the terminal has another size, for a command that shows something."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Final

RESIZED: Final = "resized"
LEFT: Final = "left"
"""Nobody can press a key any more."""


class Keyboard:
    """Waits for keys, and for whatever else calls `ring`."""

    def __init__(self, *, keys: int | None, bell: tuple[int, int]) -> None:
        self._keys = keys
        self._heard, self._rung = bell
        self._resized = False

    def ring(self) -> None:
        """End a wait; from any thread."""
        os.write(self._rung, b"!")

    def wait(self) -> str:
        """The next key, RESIZED or LEFT; empty once somebody has rung."""
        watched = [self._heard] if self._keys is None else [self._heard, self._keys]
        ready, _, _ = select.select(watched, [], [])
        if self._heard in ready:
            os.read(self._heard, 4096)
            resized, self._resized = self._resized, False
            return RESIZED if resized else ""
        return os.read(ready[0], 1).decode(errors="replace") or LEFT

    def resized(self, _signal: int, _frame: FrameType | None) -> None:
        """The handler of the signal."""
        self._resized = True
        self.ring()


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """Single keys are read inside of the block; the terminal is then as it was. Ctrl-C stays what it is."""
    heard, rung = os.pipe()
    os.set_blocking(rung, False)
    with ExitStack() as stack:
        for end in (heard, rung):
            stack.callback(os.close, end)
        keys = sys.stdin.fileno() if sys.stdin.isatty() else None
        if keys is not None:
            stack.callback(termios.tcsetattr, keys, termios.TCSADRAIN, termios.tcgetattr(keys))
            tty.setcbreak(keys)
        board = Keyboard(keys=keys, bell=(heard, rung))
        stack.callback(signal.signal, signal.SIGWINCH, signal.signal(signal.SIGWINCH, board.resized))
        yield board
