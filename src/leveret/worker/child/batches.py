"""The batches: which inputs share a call of a batched model, and what becomes of them when the call fails."""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from leveret.core.outcome import Outcome, Raised, RetryWanted, Stopped
from leveret.core.prediction import Means
from leveret.model.declare import Options
from leveret.model.schema import Arguments
from leveret.model.where import Target
from leveret.worker.child.capture import Capture
from leveret.worker.child.exchanges import Exchanges
from leveret.worker.child.interrupts import Interrupts
from leveret.worker.child.results import failed, listed, returned
from leveret.worker.frames import Item

REGROW: Final = 20
"""After so many calls that went well the size of calls is doubled, if lack of memory had halved it."""

Call: TypeAlias = Sequence[tuple[Item, Arguments]]
"""What goes into one call: each item with its arguments."""


class Made(Struct, frozen=True):
    """A call whose items have ended. `seconds` is how long it took."""

    items: Sequence[Item]
    outcomes: Sequence[Outcome]
    seconds: float


class _Failure(Struct, frozen=True):
    """A call that failed."""

    outcome: Raised | RetryWanted
    out_of_memory: bool


class Batches:
    """Makes the calls of a batched model.

    1. Only items whose values for the `key` are equal share a call. `tell` is told of each that begins.
    2. A call that fails or takes too long is made again in halves, until what fails is alone; the others get their
       results. So one bad item among n costs each of the others at most log2(n) + 1 further runs.
    3. A call that lacks memory halves the size of all further calls too, which is doubled again, up to `most`, after
       every `REGROW` calls that went well.
    """

    def __init__(
        self,
        *,
        predict: Target,
        options: Options,
        capture: Capture,
        exchanges: Exchanges,
        interrupts: Interrupts,
        tell: Callable[[Sequence[Item]], None],
    ) -> None:
        self._predict = predict
        self._most = options.batch or 1
        self._key = options.batch_key
        self._retry_on = options.retry_on
        self._capture = capture
        self._exchanges = exchanges
        self._interrupts = interrupts
        self._tell = tell
        self._size = self._most
        self._went_well = 0

    def make(self, wanted: Call) -> Iterator[Made]:
        """Make the calls for these; yields each that its items end with."""
        waiting = deque(self._groups(wanted))
        while waiting:
            call = waiting.popleft()
            if len(call) > self._size:
                waiting.appendleft(call[self._size :])
                call = call[: self._size]
            call = self._begun(call)
            if not call:
                continue
            began = time.perf_counter()
            outcomes = self._outcomes(call)
            seconds = time.perf_counter() - began
            if isinstance(outcomes, list):
                yield Made([item for item, _ in call], outcomes, seconds)
                continue
            if outcomes.out_of_memory:
                self._shrink((len(call) + 1) // 2)
            yield from self._stopped(call, seconds)
            waiting.extendleft(reversed(self._halves(call)))

    def _begun(self, call: Call) -> Call:
        """The call without those that were canceled before their turn came; they have ended already."""
        begun = self._interrupts.begin([item for item, _ in call])
        self._tell(begun)
        return call if len(begun) == len(call) else [(item, arguments) for item, arguments in call if item in begun]

    def _stopped(self, call: Call, seconds: float) -> Iterator[Made]:
        """Those of a failed call that were canceled meanwhile; the others wait for their next call."""
        canceled = self._interrupts.again([item for item, _ in call])
        if canceled:
            yield Made(canceled, [Stopped(Means.INTERRUPTED)] * len(canceled), seconds)

    def _halves(self, call: Call) -> list[Call]:
        half = (len(call) + 1) // 2
        return [call[:half], call[half:]]

    def _groups(self, wanted: Call) -> list[Call]:
        if not self._key:
            return [wanted] if wanted else []
        groups: list[tuple[list[object], list[tuple[Item, Arguments]]]] = []
        for item, arguments in wanted:
            values = [arguments[name] for name in self._key]
            group = next((group for known, group in groups if _equal(known, values)), None)
            if group is None:
                groups.append((values, group := []))
            group.append((item, arguments))
        return [group for _, group in groups]

    def _outcomes(self, call: Call) -> list[Outcome] | _Failure:
        items = [item for item, _ in call]
        columns = {name: [arguments[name] for _, arguments in call] for name in call[0][1]}
        self._capture.begin(items)
        try:
            with self._interrupts:
                results = listed(self._predict(**columns), length=len(call))
        except BaseException as error:
            if self._interrupts.struck and (len(call) == 1 or not self._interrupts.late):
                return [self._interrupts.outcome(item, error) for item in items]
            failure = _failure(error, failed(error, retry_on=self._retry_on))
            return failure if len(call) > 1 else [failure.outcome]
        finally:
            self._capture.end()
        self._grow()
        return [returned(result, self._exchanges.of(item)) for item, result in zip(items, results, strict=True)]

    def _shrink(self, size: int) -> None:
        self._size, self._went_well = size, 0
        gc.collect()  # what the failed call holds in cycles is still in memory

    def _grow(self) -> None:
        if self._size == self._most:
            return
        self._went_well += 1
        if self._went_well >= REGROW:
            self._size, self._went_well = min(self._most, self._size * 2), 0


def _equal(one: list[object], other: list[object]) -> bool:
    """Compared, not hashed: the values may be lists. A comparison that raises is the user's, and says no."""
    try:
        return one == other
    except BaseException:
        return False


def _failure(error: BaseException, outcome: Raised | RetryWanted) -> _Failure:
    # PyTorch's own is told by its name, because this process may well do without PyTorch.
    named = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
    text = outcome.error if isinstance(outcome, Raised) else outcome.reason
    return _Failure(outcome, isinstance(error, MemoryError) or named or "CUDA out of memory" in text)
