"""The process: a worker's handle of one model process, which it starts, feeds, hears and ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import structlog
from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from leveret.config import WorkerSettings
from leveret.core import sizes
from leveret.core.ports import Running
from leveret.core.prediction import Means
from leveret.errors import SetupFailed, Unhealthy
from leveret.worker import causes
from leveret.worker.clock import Clock
from leveret.worker.connection import UNHEALTHY, Connection, FromRun
from leveret.worker.frames import Item, Ready
from leveret.worker.memory import Gauge

CHILD: Final = "leveret.worker.child"

_log: FilteringBoundLogger = structlog.get_logger()

DEFAULTS: Final = WorkerSettings()

LAST_WORDS: Final = 1.0
"""How long the connection and the process may outlive each other, in seconds, before the other is ended too."""

STOP_PATIENCE: Final = 5.0
"""How long a process has to end after it was asked, and again after SIGTERM, in seconds."""

_RUDENESS: Final = tuple(Means)
"""The means, from gentle to rude."""


class ModelProcess(asyncio.SubprocessProtocol):
    """One model process.

    1. `started` starts it in a fresh interpreter, in a session of its own, and waits until the model is set up.
    2. `run` sends items and yields what their runs say. Several batches may be under way; their runs take turns, or
       as many as the model has concurrency go on at once.
    3. However the process ends, every run under way gets an ending: `Crashed` what was running, `HandedBack` what
       stood behind it. `ended` is set then.
    4. `cancel` stops a run: it is interrupted, and if that does not help, the process is ended. The same happens to a
       call that takes longer than the model's timeout.
    5. One that takes more memory than it may is killed; with a run in it, that has crashed.
    6. It is asked whether it is healthy before it takes anything, and by `watch` again while it is idle. Once it is
       not, it is `leaving`.
    7. On leaving `started` it is asked to stop, then told to, then killed, and always reaped.
    """

    ready: Ready
    """What the model has said of itself once it was set up."""

    most: int
    """How many predictions it may be given; then it shall be replaced."""

    def __init__(self, *, settings: WorkerSettings, on_loaded: Callable[[Ready], None]) -> None:
        self.ended = asyncio.Event()
        self.leaving = asyncio.Event()
        """It shall be given nothing more: it has ended, or will."""
        self.unhealthy: Unhealthy | None = None
        self._settings = settings
        self._on_loaded = on_loaded
        self._connection = Connection(on_loaded=self._loaded, on_lost=self._connection_lost)
        self._process: asyncio.SubprocessTransport
        self._gauge: Gauge
        self._excess = ""
        self._means: dict[Running, Means] = {}

    @classmethod
    @asynccontextmanager
    async def started(
        cls,
        target: str,
        *,
        device: str | None = None,
        spool: Path | None = None,
        settings: WorkerSettings = DEFAULTS,
        on_loaded: Callable[[Ready], None] = lambda ready: None,
    ) -> AsyncIterator[ModelProcess]:
        """A model process that is set up and healthy; it has ended when the block is left.

        Raises ModelLoadError, SetupFailed, Unhealthy. `on_loaded` is told of the model as soon as it is loaded, so
        that it is known even if its setup fails. Files are handed over in the folder `spool`; without one they are
        data: URLs.
        """
        self = cls(settings=settings, on_loaded=on_loaded)
        await self._start(target, device, spool)
        self._gauge = Gauge(self.pid, exceeded=self._exceeded)
        self._gauge.limit(settings.max_memory)
        try:
            self.ready = await self._set_up(target)
            self._limit()
            await self._check()
            yield self
        finally:
            await self._stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.get_pid()

    @property
    def has_run(self) -> bool:
        """Whether anything was given to it to run."""
        return self._connection.calls > 0

    def run(self, items: Sequence[Item]) -> AsyncGenerator[list[FromRun], None]:
        """Run them; yields whatever has been said since the last look, until every run has ended.

        A batched model gets what was tried before in calls of their own: a crash strikes all who share a call,
        and the innocent succeed as soon as they are alone.
        """
        if self.ready.batch == 1:
            return self._connection.run([[item] for item in items])
        fresh = [item for item in items if item.attempt == 1]
        again = [[item] for item in items if item.attempt > 1]
        return self._connection.run([fresh, *again] if fresh else again)

    def cancel(self, run: Running, *, grace: float) -> None:
        """Stop this run, if it is under way here: interrupt it; after `grace` seconds SIGTERM, as long again, SIGKILL.

        A run that waits behind others is only taken out: their process lives.
        """
        if self._connection.cancel(run):
            asyncio.get_running_loop().call_later(grace, self._insist, run, Means.TERMINATED, grace)

    def hand_back(self, reason: str) -> None:
        """End the process now; every run under way ends as HandedBack."""
        self._connection.hand_back(reason)
        self._signal(signal.SIGTERM)

    async def watch(self) -> None:
        """Ask the model again and again whether it is healthy, while it runs nothing; returns when it is not."""
        while self.ready.checks:
            await asyncio.sleep(self._settings.health_period)
            if not self._connection.idle:
                continue
            try:
                await self._check()
            except Unhealthy as error:
                self.unhealthy = error
                self.leaving.set()
                return

    def process_exited(self) -> None:
        """The process has exited and was reaped."""
        self._signal(signal.SIGKILL)  # what it has left behind in its session
        if self._connection.lost:
            self._finish()
        else:
            # Its last words may still be on their way; but something that got away could hold the line for ever.
            asyncio.get_running_loop().call_later(LAST_WORDS, self._connection.close)

    async def _check(self) -> None:
        if not self.ready.checks:
            return
        patience = self._settings.health_timeout
        try:
            async with asyncio.timeout(patience):
                checked = await self._connection.check()
        except TimeoutError as error:
            self.hand_back(UNHEALTHY)
            reason = f"healthcheck() did not answer within worker.health_timeout ({patience:g} s)"
            raise Unhealthy(reason=reason) from error
        if checked.problem:
            raise Unhealthy(reason="\n".join(filter(None, (checked.problem, checked.traceback))))

    def _loaded(self, ready: Ready) -> None:
        if ready.max_memory is not None:
            self._settings = replace(self._settings, max_memory=ready.max_memory)
            self._gauge.limit(ready.max_memory)
        self._on_loaded(ready)

    def _exceeded(self, size: int) -> None:
        """End the process, before the system ends anything else. What runs has crashed by it."""
        used, limit = sizes.shown(size), sizes.shown(self._settings.max_memory)
        self._excess = f"the model process used {used}, more than its max_memory of {limit}"
        _log.warning("model process ended", pid=self.pid, reason=self._excess)
        self.leaving.set()
        if self._connection.idle:
            self._connection.hand_back(self._excess)
        self._signal(signal.SIGKILL)

    def _limit(self) -> None:
        self.most = self.ready.max_predictions or self._settings.max_predictions_per_process or sys.maxsize
        timeout = self.ready.timeout
        if timeout is None:
            return

        def stop(call: int, means: Means) -> None:
            if means is Means.INTERRUPTED:
                self._connection.time_up(call, timeout=timeout)
            else:
                self._signal(signal.SIGTERM if means is Means.TERMINATED else signal.SIGKILL)

        self._connection.clock = Clock(timeout=timeout, grace=self._settings.cancel_grace, stop=stop)

    def _connection_lost(self) -> None:
        if self._process.get_returncode() is not None:
            self._finish()
        else:
            asyncio.get_running_loop().call_later(LAST_WORDS, self._kill)

    def _insist(self, run: Running, means: Means, grace: float) -> None:
        """If the canceled run still goes on, end the process by these means, and later by the rudest."""
        if not self._connection.canceled(run):
            self._means.pop(run, None)  # should the process have survived
            return
        if self._connection.current(run):
            self._means[run] = means
            self._signal(signal.SIGTERM if means is Means.TERMINATED else signal.SIGKILL)
            means = Means.KILLED
        asyncio.get_running_loop().call_later(grace, self._insist, run, means, grace)

    async def _start(self, target: str, device: str | None, spool: Path | None) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            await loop.create_unix_connection(lambda: self._connection, sock=ours)
            try:
                self._process, _ = await loop.subprocess_exec(
                    lambda: self,
                    *(sys.executable, "-m", CHILD, str(theirs.fileno()), target, str(spool or "")),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=None,
                    stderr=None,
                    pass_fds=(theirs.fileno(),),
                    env=_environment(device),
                    # Ctrl-C in a terminal is for the worker; and what the model starts can be ended with it.
                    start_new_session=True,
                )
            except BaseException as error:
                self._connection.close()
                if isinstance(error, OSError):
                    raise SetupFailed(reason=f"the model process did not start: {error}") from error
                raise

    async def _set_up(self, target: str) -> Ready:
        patience = self._settings.setup_timeout
        try:
            async with asyncio.timeout(patience):
                return causes.checked(await self._connection.setup, target)
        except TimeoutError as error:
            reason = (
                f"the setup took longer than worker.setup_timeout ({patience:g} s); set that higher if it needs longer"
            )
            raise SetupFailed(reason=reason) from error

    async def _stop(self) -> None:
        try:
            if self._connection.idle:
                self._connection.stop()
                await self._ends_within(STOP_PATIENCE)
            if not self.ended.is_set():
                self._signal(signal.SIGTERM)
                await self._ends_within(STOP_PATIENCE)
        finally:
            self._kill()
            await self.ended.wait()
            self._process.close()

    async def _ends_within(self, patience: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self.ended.wait()

    def _kill(self) -> None:
        if self._process.get_returncode() is None:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _finish(self) -> None:
        self._gauge.stop()
        cause = self._connection.damage or self._excess or causes.of_end(self._process.get_returncode() or 0)
        self._connection.crash(cause, means=max(self._means.values(), key=_RUDENESS.index, default=Means.INTERRUPTED))
        self.ended.set()
        self.leaving.set()


def _environment(device: str | None) -> dict[str, str]:
    chosen = {} if device is None else {"CUDA_VISIBLE_DEVICES": device}
    return {**os.environ, **chosen}
