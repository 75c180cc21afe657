"""The pool: a worker's model processes, each started again when it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

import structlog
from structlog.typing import FilteringBoundLogger

from leveret.config import WorkerSettings
from leveret.core.meters import Meter, Phase
from leveret.core.ports import Running
from leveret.core.tracing import Tracer
from leveret.errors import LeveretError, ModelLoadError, SetupFailed, Unhealthy
from leveret.worker.consumer import Consumer
from leveret.worker.frames import Ready
from leveret.worker.patience import Leavable, pause_after
from leveret.worker.process import ModelProcess

Consuming: TypeAlias = Callable[[ModelProcess], Consumer]
"""Makes the consumer of a process that has just been set up."""

STEADY: Final = 10.0
"""How long a process must have lived, in seconds, for its end not to count as one more failure in a row."""

MOST_PROBLEM: Final = 1000
"""How much of a problem is told to clients, in characters."""

_log: FilteringBoundLogger = structlog.get_logger()


class Pool:
    """Keeps the model processes, and a consumer for each."""

    def __init__(
        self,
        *,
        target: str,
        spool: Path,
        settings: WorkerSettings,
        consuming: Consuming,
        meter: Meter,
        tracer: Tracer,
    ) -> None:
        devices = [device.strip() for device in settings.devices.split(",") if device.strip()]
        self._changed = asyncio.Event()
        self._runners = [
            _Runner(
                target=target,
                spool=spool,
                settings=settings,
                device=devices[number % len(devices)] if devices else None,
                consuming=consuming,
                meter=meter,
                tracer=tracer,
                changed=self._changed,
            )
            for number in range(settings.processes)
        ]

    async def keep(self) -> None:
        """Keep every process until stopped. Raises, in a group, ModelLoadError if the target does not load at first."""
        async with asyncio.TaskGroup() as group:
            for runner in self._runners:
                group.create_task(runner.keep())

    @property
    def complete(self) -> bool:
        """Whether all the processes are set up now."""
        return all(runner.process is not None for runner in self._runners)

    @property
    def consuming(self) -> bool:
        """Whether all the processes are given what waits."""
        return all(runner.consuming for runner in self._runners)

    @property
    def tried(self) -> bool:
        """Whether every process was set up, or could not be at first."""
        return all(runner.tried for runner in self._runners)

    @property
    def model(self) -> Ready | None:
        """What the model says of itself; None until it has been loaded for the first time."""
        return next((runner.model for runner in self._runners if runner.model is not None), None)

    @property
    def problem(self) -> str | None:
        """Why one of the processes cannot serve now; None if none has failed since it last could."""
        return next((runner.problem for runner in self._runners if runner.problem is not None), None)

    async def changes(self, *, within: float | None = None) -> None:
        """Wait until any of these has changed since the last time, so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()
        self._changed.clear()

    def stop(self) -> None:
        """Take nothing more; each process ends as soon as it has nothing to do."""
        for runner in self._runners:
            runner.stop()

    def cancel(self, run: Running, *, grace: float) -> None:
        """Stop this run, in whichever process it is under way."""
        for runner in self._runners:
            if runner.process is not None:
                runner.process.cancel(run, grace=grace)

    def hand_back(self, reason: str) -> None:
        """End every process now; what runs is handed back."""
        for runner in self._runners:
            runner.hand_back(reason)


class _Runner:
    """Keeps one model process."""

    def __init__(
        self,
        *,
        target: str,
        spool: Path,
        settings: WorkerSettings,
        device: str | None,
        consuming: Consuming,
        meter: Meter,
        tracer: Tracer,
        changed: asyncio.Event,
    ) -> None:
        self.process: ModelProcess | None = None
        self.tried = False
        self.model: Ready | None = None
        self.problem: str | None = None
        self._target = target
        self._spool = spool
        self._settings = settings
        self._device = device
        self._consuming = consuming
        self._meter = meter
        self._tracer = tracer
        self._changed = changed
        self._consumer: Consumer | None = None
        self._idling = Leavable()
        self._stopped = False
        self._has_served = False

    @property
    def consuming(self) -> bool:
        """Whether the process is given what waits."""
        return self._consumer is not None and self._consumer.active

    async def keep(self) -> None:
        """Start the process and consume for it; start it again when it has ended.

        Longer and longer pauses are for what does not come up. One that has begun a run came up: should the run
        have crashed it, then the retries of that prediction wait, and nobody else.
        """
        clock = asyncio.get_running_loop().time
        failures = 0
        async with self._idling.block():
            while not self._stopped:
                started = clock()
                if await self._serve():
                    failures = 0
                    continue
                failures = 1 if clock() - started > STEADY else failures + 1
                if not self._stopped:
                    await asyncio.sleep(pause_after(failures))

    def stop(self) -> None:
        """Take nothing more, and end the process when it has nothing to do."""
        self._stopped = True
        if self._consumer is None:
            self._idling.leave()
        else:
            self._consumer.stop()

    def hand_back(self, reason: str) -> None:
        """End the process now; what runs is handed back."""
        if self.process is not None:
            self.process.hand_back(reason)

    async def _serve(self) -> bool:
        """Whether the process has begun a run."""
        began = asyncio.get_running_loop().time()
        try:
            async with ModelProcess.started(
                self._target,
                device=self._device,
                spool=self._spool,
                settings=self._settings,
                on_loaded=self._loaded,
            ) as process:
                _log.info("model process ready", pid=process.pid, model=process.ready.model)
                seconds = asyncio.get_running_loop().time() - began
                self._meter.phase(process.ready.model, Phase.SETUP, seconds)
                self._tracer.setup(process.ready.model, seconds)
                self._has_served = True
                await self._consume(process)
                if process.unhealthy is not None:
                    raise process.unhealthy
                return process.has_run
        except (SetupFailed, Unhealthy) as error:
            _log.error("not serving; trying again", target=self._target, error=str(error))
            self._failed(error)
        except ModelLoadError as error:
            if not self._has_served:
                raise
            _log.error("the target does not load any more; trying again", error=str(error))
            self._failed(error)
        return False

    def _loaded(self, model: Ready) -> None:
        self.model = model
        self._changed.set()

    def _failed(self, error: LeveretError) -> None:
        """For clients the first line has to do: the traceback below it is in the worker's log."""
        self.problem = str(error).partition("\n")[0][:MOST_PROBLEM]
        self.tried = True
        self._changed.set()

    async def _consume(self, process: ModelProcess) -> None:
        self.process, self._consumer = process, self._consuming(process)
        self.problem, self.tried = None, True
        self._changed.set()
        try:
            await self._consumer.run()
        finally:
            self.process = self._consumer = None
