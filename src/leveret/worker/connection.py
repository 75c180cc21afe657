"""The connection: a worker's end of the socket pair, over which it sends runs and hears what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from leveret.core.outcome import Crashed, HandedBack, Outcome, Stopped
from leveret.core.ports import Running
from leveret.core.prediction import Means
from leveret.errors import Undecodable
from leveret.worker import frames
from leveret.worker.clock import Clock
from leveret.worker.frames import (
    Begun,
    Cancel,
    Check,
    Checked,
    Chunks,
    Ended,
    Item,
    Loaded,
    NotReady,
    Progressed,
    Ready,
    Run,
    Splitter,
    Stop,
    TimeUp,
    ToChild,
    Wrote,
)

FromRun: TypeAlias = Chunks | Wrote | Progressed | Ended
"""What a run says; the last is how it has ended."""

AHEAD: Final = 4 * 1024 * 1024
"""How many bytes are read ahead of who listens; then a talkative model waits for its worker."""

NOT_BEGUN: Final = HandedBack("its model process ended before it began")
UNHEALTHY: Final = "its model process is not healthy"
BESIDE: Final = HandedBack("its model process was ended because a prediction beside it was canceled")


class _Heard:
    """What the runs of one batch have said and nobody has taken yet."""

    def __init__(self, runs: int) -> None:
        self.running = runs
        self.frames: list[FromRun] = []
        self.arrived = asyncio.Event()
        self.wanted = True


class _Place(Struct, frozen=True):
    """Where a run under way belongs: its batch, the number of its call of the model, and whether that is made alone."""

    heard: _Heard
    call: int
    alone: bool


class Connection(asyncio.Protocol):
    """Bytes to frames, frames to whoever waits for them, and flow control both ways.

    `on_loaded` is told of the model once it is loaded; `setup` is answered when it is set up, or cannot be. Calls of
    the model are numbered in the order in which they were sent, which is the order in which the process begins them;
    `calls` counts them. `clock`, if there is one, is told when the process begins and ends them: a batch may be one
    call there, or several.
    """

    def __init__(self, *, on_loaded: Callable[[Ready], None], on_lost: Callable[[], None]) -> None:
        self.setup: asyncio.Future[Ready | NotReady] = asyncio.get_running_loop().create_future()
        self.lost = False
        self.damage = ""
        self.calls = 0
        self.clock: Clock | None = None
        self._checked: asyncio.Future[Checked] | None = None
        self._on_loaded = on_loaded
        self._on_lost = on_lost
        self._splitter = Splitter()
        self._writable = asyncio.Event()
        self._under_way: dict[Running, _Place] = {}
        self._canceled: set[Running] = set()
        self._unheard = 0
        self._ahead = 0
        self._at_once = 1
        self._over = False
        self._transport: asyncio.Transport

    @property
    def idle(self) -> bool:
        """Whether the model is set up and runs nothing."""
        return self.setup.done() and not self.setup.cancelled() and not self._under_way

    async def run(self, calls: Sequence[Sequence[Item]]) -> AsyncGenerator[list[FromRun], None]:
        """Make these calls; yields whatever has been said since the last look, until every run has ended."""
        await self._writable.wait()
        heard = _Heard(sum(map(len, calls)))
        try:
            self._begin(calls, heard)
            while heard.running or heard.frames:
                await heard.arrived.wait()
                yield self._taken(heard)
        finally:
            heard.wanted = False
            self._taken(heard)

    def stop(self) -> None:
        """Ask the process to finish what it was sent, then to end."""
        self._send(Stop())

    def close(self) -> None:
        """Hear no more."""
        self._transport.abort()

    async def check(self) -> Checked:
        """Ask the process, while it is idle, whether its model is healthy. What is sent meanwhile does not begin."""
        self._checked = asyncio.get_running_loop().create_future()
        self._send(Check())
        return await asyncio.shield(self._checked)

    def cancel(self, run: Running) -> bool:
        """Ask the process to stop this run; False if it is not under way here, or was canceled before."""
        if run not in self._under_way or run in self._canceled:
            return False
        self._canceled.add(run)
        self._send(Cancel(run.id, run.attempt))
        return True

    def time_up(self, call: int, *, timeout: float) -> None:
        """Ask the process to stop this call, as the process itself numbers them: it has taken longer than `timeout`."""
        self._send(TimeUp(call, timeout))

    def canceled(self, run: Running) -> bool:
        """Whether this run is still under way although it was canceled."""
        return run in self._canceled

    def current(self, run: Running) -> bool:
        """Whether the process is in the middle of this run."""
        return run in self._begun()

    def crash(self, cause: str, *, means: Means) -> None:
        """The process has ended: the calls it was in the middle of have crashed, those behind have not begun.

        In the middle of a check there is no such call.
        `means` is what was done to stop a canceled run. Beyond an interrupt, nobody is to blame for the end.
        """
        in_the_middle = set() if self._checked is not None else self._begun()
        struck = Crashed(cause) if means is Means.INTERRUPTED else BESIDE

        def outcome(run: Running) -> Outcome:
            begun = run in in_the_middle
            if run in self._canceled:
                return Stopped(means if begun else Means.NOT_BEGUN)
            late = self.clock.outcome(run) if self.clock is not None else None
            return late or (struck if begun else NOT_BEGUN)

        self._end(cause, outcome)

    def hand_back(self, reason: str) -> None:
        """No run ends here any more, whatever the process still says."""
        stopped, handed_back = Stopped(Means.TERMINATED), HandedBack(reason)
        self._end(reason, lambda run: stopped if run in self._canceled else handed_back)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # what a stream gets
        """Begin to read."""
        self._transport = transport
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Hand on every frame that is complete now."""
        try:
            said = self._splitter.feed(data)
        except Undecodable as error:
            self.damage = str(error)
            self.close()
            return
        for frame in said:
            match frame:
                case Ended() | Chunks() | Wrote() | Progressed():
                    self._hear(frame)
                case Begun(call=call, runs=runs) if self.clock is not None:
                    self.clock.begin(call, runs)
                case Checked() if self._checked is not None:
                    self._hear_health(frame, self._checked)
                case Loaded(ready=ready):
                    self._on_loaded(ready)
                case Ready() | NotReady() if not self.setup.done():
                    self._at_once = frame.concurrency if isinstance(frame, Ready) else 1
                    self.setup.set_result(frame)
                case _:
                    pass
        self._ahead += len(data)
        # While a frame is not complete there is nothing to hear, however long it is.
        if self._unheard and self._ahead > AHEAD:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Send nothing more for now."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Send again."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The process has closed its end, most likely by ending."""
        self.lost = True
        self._writable.set()
        self._on_lost()

    def _begin(self, calls: Sequence[Sequence[Item]], heard: _Heard) -> None:
        for call in calls:
            self.calls += 1
            place = _Place(heard, self.calls, any(item.alone for item in call))
            for item in call:
                self._under_way[Running(item.id, item.attempt)] = place
        if self._over:
            self._end(NOT_BEGUN.reason, lambda _: NOT_BEGUN)
            return
        self._transport.write(b"".join([frames.encode(Run(list(call))) for call in calls]))

    def _send(self, frame: ToChild) -> None:
        if not self._transport.is_closing():
            self._transport.write(frames.encode(frame))

    def _hear(self, frame: FromRun) -> None:
        run = Running(frame.id, frame.attempt)
        place = self._under_way.get(run)
        if place is None:
            return
        if isinstance(frame, Ended):
            del self._under_way[run]
            self._canceled.discard(run)
            if self.clock is not None:
                self.clock.end(run)
            place.heard.running -= 1
        if place.heard.wanted:
            self._unheard += 1
            place.heard.frames.append(frame)
            place.heard.arrived.set()

    def _hear_health(self, checked: Checked, waiting: asyncio.Future[Checked]) -> None:
        self._checked = None
        if checked.problem:
            self.hand_back(UNHEALTHY)
        waiting.set_result(checked)

    def _taken(self, heard: _Heard) -> list[FromRun]:
        taken, heard.frames = heard.frames, []
        heard.arrived.clear()
        self._unheard -= len(taken)
        self._ahead = 0
        if not self._transport.is_closing():
            self._transport.resume_reading()
        return taken

    def _begun(self) -> set[Running]:
        """The runs that the process is in the middle of: those of the first calls, as many as it makes at once."""
        begun: set[Running] = set()
        calls: set[int] = set()
        alone = False
        for run, place in self._under_way.items():
            if place.call not in calls and (alone or len(calls) == self._at_once or (place.alone and calls)):
                break
            calls.add(place.call)
            begun.add(run)
            alone = place.alone
        return begun

    def _end(self, reason: str, outcome: Callable[[Running], Outcome]) -> None:
        self._over = True
        if not self.setup.done():
            self.setup.set_result(NotReady(error=reason, traceback="", usage=False))
        if self._checked is not None:
            self._checked.set_result(Checked(reason))
            self._checked = None
        # All are judged by how it was at the end, before the first of them is heard of.
        outcomes = {run: outcome(run) for run in self._under_way}
        for run, ended in outcomes.items():
            self._hear(Ended(run.id, run.attempt, ended, 0.0))
