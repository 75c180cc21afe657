"""The pool: a worker's model processes, each started again when it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

import structlog
from structlog.typing import FilteringBoundLogger

from leveret.config import WorkerSettings
from leveret.core.ports import Running
from leveret.errors import ModelLoadError, SetupFailed
from leveret.worker.consumer import Consumer
from leveret.worker.patience import Leavable, pause_after
from leveret.worker.process import ModelProcess

Consuming: TypeAlias = Callable[[ModelProcess], Consumer]
"""Makes the consumer of a process that has just been set up."""

STEADY: Final = 10.0
"""How long a process must have lived, in seconds, for its end not to count as one more failure in a row."""

_log: FilteringBoundLogger = structlog.get_logger()


class Pool:
    """Keeps the model processes, and a consumer for each."""

    def __init__(self, *, target: str, settings: WorkerSettings, consuming: Consuming) -> None:
        devices = [device.strip() for device in settings.devices.split(",") if device.strip()]
        self._changed = asyncio.Event()
        self._runners = [
            _Runner(
                target=target,
                settings=settings,
                device=devices[number % len(devices)] if devices else None,
                consuming=consuming,
                changed=self._changed,
            )
            for number in range(settings.processes)
        ]

    async def keep(self) -> None:
        """Keep every process until stopped. Raises, in a group, ModelLoadError if the target does not load at first."""
        async with asyncio.TaskGroup() as group:
            for runner in self._runners:
                group.create_task(runner.keep())

    async def complete(self) -> list[ModelProcess]:
        """All the processes, as soon as all are set up."""
        while True:
            self._changed.clear()
            processes = [runner.process for runner in self._runners if runner.process is not None]
            if len(processes) == len(self._runners):
                return processes
            await self._changed.wait()

    async def tried(self) -> bool:
        """Wait until every process was set up, or could not be at first; answers whether all were."""
        while True:
            self._changed.clear()
            if all(runner.tried for runner in self._runners):
                return all(runner.process is not None for runner in self._runners)
            await self._changed.wait()

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
        settings: WorkerSettings,
        device: str | None,
        consuming: Consuming,
        changed: asyncio.Event,
    ) -> None:
        self.process: ModelProcess | None = None
        self.tried = False
        self._target = target
        self._settings = settings
        self._device = device
        self._consuming = consuming
        self._changed = changed
        self._consumer: Consumer | None = None
        self._idling = Leavable()
        self._stopped = False
        self._has_served = False

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
        try:
            async with ModelProcess.started(self._target, device=self._device, settings=self._settings) as process:
                _log.info("model process ready", pid=process.pid, model=process.ready.model)
                self._has_served = True
                await self._consume(process)
                return process.has_run
        except SetupFailed as error:
            _log.error("setup failed; trying again", target=self._target, error=str(error))
            self.tried = True
            self._changed.set()
        except ModelLoadError as error:
            if not self._has_served:
                raise
            _log.error("the target does not load any more; trying again", error=str(error))
        return False

    async def _consume(self, process: ModelProcess) -> None:
        self.process, self._consumer = process, self._consuming(process)
        self.tried = True
        self._changed.set()
        try:
            await self._consumer.run()
        finally:
            self.process = self._consumer = None
