"""The interrupts: how a stop reaches the call it means, in the main thread of the model process, and nothing else."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Final, TypeAlias

from leveret.core.outcome import HandedBack, Outcome, Overran, Stopped
from leveret.core.prediction import Means
from leveret.model.canceled import Canceled
from leveret.worker.child.results import raised
from leveret.worker.frames import Cancel, Ended, Item, TimeUp

SIGNAL: Final = signal.SIGURG
"""Wakes the main thread from whatever it waits for. Where nobody handles it, it is ignored: hardly anyone uses it."""

BESIDE: Final = HandedBack("another prediction of its batch was canceled")

AGAIN: Final = 0.05
"""Seconds until the signal is sent again: one that arrives just before the main thread begins to wait wakes nobody."""

_Run: TypeAlias = tuple[str, int]


class Interrupts:
    """Raises Canceled in the user's code, at most once for each call of the model: canceled, or out of time.

    1. `expect` what has been received, `begin` what is called next: a run that is canceled in between never begins.
    2. `with interrupts:` is where the user's code runs. A stop of what has begun strikes there, and if it comes
       earlier, on entering.
    3. `with interrupts.held_off:` is our own code that is called from there: a lock that is held or a frame that is
       half sent must not be torn apart. What comes within strikes behind it.

    It is the handler of the signal that decides whether to raise. It runs in the main thread, as does everything
    that changes what it looks at, so that a signal which arrives late finds that there is nothing for it to do.
    """

    def __init__(self) -> None:
        self.held_off = _HeldOff(self)
        self.struck = False
        self.call = 0
        """Numbers the calls; that of the last one that has begun."""
        self._main = threading.get_ident()
        self._lock = threading.Lock()
        self._waiting: set[_Run] = set()
        self._begun: set[_Run] = set()
        self._canceled: set[_Run] = set()
        self._late: TimeUp | None = None
        self._armed = False
        self._holding_off = False
        signal.signal(SIGNAL, self._on_signal)

    def expect(self, items: Sequence[Item]) -> None:
        """These have been received and wait for their turn. For any thread."""
        with self._lock:
            self._waiting.update([(item.id, item.attempt) for item in items])

    def cancel(self, cancel: Cancel) -> Ended | None:
        """Stop this run; answers its end if it has not begun, and never will. For any thread but the main one."""
        run = (cancel.id, cancel.attempt)
        with self._lock:
            if run in self._waiting:
                self._waiting.remove(run)
                return Ended(cancel.id, cancel.attempt, Stopped(Means.NOT_BEGUN), 0.0)
            if run not in self._begun:
                return None
            self._canceled.add(run)
        self._wake()
        return None

    def time_up(self, late: TimeUp) -> None:
        """Stop this call, if it goes on. For any thread but the main one."""
        with self._lock:
            if late.call != self.call:
                return
            self._late = late
        self._wake()

    def begin(self, items: Sequence[Item]) -> list[Item]:
        """Those that were not canceled; the one call of the model is now for them."""
        with self._lock:
            begun = [item for item in items if (item.id, item.attempt) in self._waiting]
            self._begun = {(item.id, item.attempt) for item in begun}
            self._waiting -= self._begun
            self._canceled.clear()
            self._late = None
            self.call += 1
        self.struck = self._holding_off = False
        return begun

    def again(self, items: Sequence[Item]) -> list[Item]:
        """The call for these has failed and they wait for another one; answers those that were canceled meanwhile."""
        with self._lock:
            canceled = [item for item in items if (item.id, item.attempt) in self._canceled]
            self._begun.clear()
            self._waiting.update([(item.id, item.attempt) for item in items if item not in canceled])
        return canceled

    def outcome(self, item: Item, error: BaseException) -> Outcome:
        """The outcome of a run of a call that was struck and has ended with this error."""
        if (item.id, item.attempt) in self._canceled:
            return Stopped(Means.INTERRUPTED)
        if self._late is not None:
            return Overran(self._late.timeout, Means.INTERRUPTED, raised(error).traceback)
        return BESIDE

    @property
    def late(self) -> bool:
        """Whether the call was out of time."""
        return self._late is not None

    def __enter__(self) -> None:
        self._armed = True
        self.strike()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._armed = False

    def strike(self) -> None:
        """Raise Canceled if it shall be raised here and now."""
        if self._armed and self._unwanted and not self._holding_off:
            self._armed = False
            self.struck = True
            raise Canceled

    def hold_off(self, *, holding: bool) -> None:
        """Strike later, or now what came meanwhile. A thread of the model's own is never struck anyway."""
        if threading.get_ident() == self._main:
            self._holding_off = holding
            self.strike()

    @property
    def _unwanted(self) -> bool:
        return bool(self._canceled) or self.late

    def _wake(self) -> None:
        if self._armed:
            threading.Thread(target=self._signal, args=(self.call,), name="leveret-interrupt", daemon=True).start()

    def _signal(self, call: int) -> None:
        """Wake the main thread until the call is struck, or is over."""
        while self._armed and self.call == call and self._unwanted:
            signal.pthread_kill(self._main, SIGNAL)
            time.sleep(AGAIN)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.strike()


class _HeldOff:
    """See Interrupts."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts

    def __enter__(self) -> None:
        self._interrupts.hold_off(holding=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._interrupts.hold_off(holding=False)
