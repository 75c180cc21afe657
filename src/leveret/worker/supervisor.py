"""The supervisor: a worker from its setup, through serving, to the end of its grace."""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

import structlog
from msgspec import Raw
from structlog.typing import FilteringBoundLogger

from leveret.config import OutboundSettings, WorkerSettings
from leveret.core import control
from leveret.core.card import Card
from leveret.core.meters import SILENT, Meter, Reading
from leveret.core.ports import Blobs, Broker, Registry, Running
from leveret.core.prediction import Prediction
from leveret.core.tracing import UNTRACED, Tracer
from leveret.errors import Unavailable, Undecodable, UsageError
from leveret.outbound import Fetcher, Guard
from leveret.reuse import Reuse
from leveret.worker.batcher import Pace
from leveret.worker.consumer import Consumer
from leveret.worker.executor import Executor
from leveret.worker.frames import Ready
from leveret.worker.hand import Hand
from leveret.worker.inputs import Inputs
from leveret.worker.leaders import Leaders, LedRuns
from leveret.worker.patience import insist
from leveret.worker.pool import Pool
from leveret.worker.process import ModelProcess
from leveret.worker.spool import Spool

DEFAULTS: Final = OutboundSettings()

FAREWELL: Final = 1.0
"""Seconds that taking leave may take; without it the presence runs out with its lease."""

_log: FilteringBoundLogger = structlog.get_logger()


class Worker:
    """Serves one model.

    1. sets up its model processes, and keeps them,
    2. announces the model's card, with the problem if they cannot be set up, and consumes its queues once they are;
       `ready` is set then, and `loaded` as soon as it is known that the target loads,
    3. shows a sign of life for every run in hand, and for itself, again and again,
    4. has a guard kept for what is in hand for long,
    5. stops what is canceled, of which it is told directly, and with the signs of life in case that is lost; what is
       past its deadline; and what the signs of life say is no longer its own,
    6. on `drain` stops consuming, gives back what has not started, finishes within the grace, hands the rest back.
    """

    def __init__(
        self,
        *,
        target: str,
        settings: WorkerSettings,
        broker: Broker,
        runs: LedRuns,
        registry: Registry,
        blobs: Blobs,
        outbound: OutboundSettings = DEFAULTS,
        admit: Callable[[str], None] = lambda model: None,
        reply: Callable[[Prediction], None] = lambda prediction: None,
        meter: Meter = SILENT,
        tracer: Tracer = UNTRACED,
    ) -> None:
        """`admit` is told the model's name before anything is done under it, and may raise UsageError.

        `reply` is told of each prediction that is dealt with.
        """
        self.id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.ready = asyncio.Event()
        self.loaded = asyncio.Event()
        self._admit = admit
        self._settings = settings
        self._broker = broker
        self._registry = registry
        self._hand = Hand(runs=runs, worker=self.id, lease=settings.lease, stop=self._stop, reply=reply)
        self._pace = Pace()
        self._spool = Spool(settings.spool_dir)
        self._meter = meter
        self._tracer = tracer
        self._seen = -math.inf
        self._executor = self._execution(runs, blobs, outbound)
        self._pool = self._processes(target)
        self._announced = asyncio.Event()
        self._draining = asyncio.Event()
        self._hurrying = asyncio.Event()

    async def run(self) -> None:
        """Serve until drained. Raises UsageError, such as ModelLoadError when the target does not load."""
        with self._spool.held(), structlog.contextvars.bound_contextvars(worker=self.id):
            await self._serve()

    def drain(self) -> None:
        """Finish within the grace; called again: hand everything back at once."""
        if self._draining.is_set():
            self._hurrying.set()
        self._draining.set()

    async def wrong(self) -> Mapping[str, str]:
        """What keeps it from running predictions now: its model, its queues, its signs of life."""
        wrong: dict[str, str] = {}
        if self._pool.problem is not None:
            wrong["model"] = self._pool.problem
        elif not self._pool.complete:
            wrong["model"] = "its processes are not set up yet"
        elif self._draining.is_set():
            wrong["queue"] = "the worker is being stopped"
        elif not self._pool.consuming:
            wrong["queue"] = "what waits does not arrive; see the worker's log"
        silence = time.monotonic() - self._seen
        if silence > self._settings.lease:
            wrong["store"] = f"it has taken no sign of life for {self._settings.lease:g} seconds"
        return wrong

    def readings(self) -> Iterator[Reading]:
        """What is to be seen of it."""
        if (model := self._pool.model) is not None:
            yield Reading("leveret_slots_busy", (model.model,), self._hand.running)

    async def _serve(self) -> None:
        mistake: UsageError | None = None
        try:
            async with asyncio.TaskGroup() as group:
                loops = [self._show_presence(), self._listen(), self._guard(), self._end_in_time()]
                beside = [group.create_task(loop) for loop in loops]
                await self._pool.keep()
                for task in beside:
                    task.cancel()
        except* UsageError as errors:
            mistake = _first(errors)
        if mistake is not None:
            raise mistake

    async def _show_presence(self) -> None:
        """Announce the card once it is known whether the model can be set up, then show signs of life; take leave.

        Nothing is consumed until all the processes were set up together.
        """
        card = await self._known()
        await insist(lambda: self._broker.declare(card.model), patience=math.inf)
        await insist(lambda: self._announce(card, lease=self._settings.lease), patience=math.inf)
        try:
            while True:
                if self._pool.complete and not self._announced.is_set():
                    self._announced.set()
                    _log.info("serving", model=card.model, version=card.version)
                await self._pool.changes(within=self._settings.beat)
                await self._beat(card)
        finally:
            with suppress(Unavailable, TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    await self._announce(card, lease=0.0)

    async def _known(self) -> Card:
        """The card, as soon as the model is loaded and its setup has been tried."""
        while (model := self._pool.model) is None or not self._pool.tried:
            if self._pool.tried:
                self.loaded.set()
            await self._pool.changes()
        self._admit(model.model)
        self.loaded.set()
        return _card(model, processes=self._settings.processes)

    async def _beat(self, card: Card) -> None:
        try:
            await self._hand.beat()
            await self._announce(card, lease=self._settings.lease)
        except Unavailable as error:
            _log.warning("no sign of life", error=str(error))

    async def _guard(self) -> None:
        """A loop of its own: a broker that hangs must not keep the signs of life waiting."""
        settings = self._settings
        while True:
            await asyncio.sleep(settings.beat)
            await self._hand.guard(after=settings.guard_after, delay=settings.guard_delay)

    async def _listen(self) -> None:
        async with self._broker.listen(self.id) as messages:
            async for message in messages:
                try:
                    self._hand.cancel(control.decode(message).prediction_id)
                except Undecodable as error:
                    _log.warning("control message ignored", error=str(error))

    def _stop(self, run: Running) -> None:
        self._pool.cancel(run, grace=self._settings.cancel_grace)

    async def _announce(self, card: Card, *, lease: float) -> None:
        await self._registry.announce(card, worker=self.id, lease=lease, problem=self._pool.problem)
        self._seen = time.monotonic()

    async def _end_in_time(self) -> None:
        await self._draining.wait()
        self._pool.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.grace):
                await self._hurrying.wait()
        self._pool.hand_back("its worker was stopped")

    def _processes(self, target: str) -> Pool:
        return Pool(
            target=target,
            spool=self._spool.path,
            settings=self._settings,
            consuming=self._consumer,
            meter=self._meter,
            tracer=self._tracer,
        )

    def _execution(self, runs: LedRuns, blobs: Blobs, outbound: OutboundSettings) -> Executor:
        settings = self._settings
        fetcher = Fetcher(Guard(outbound), most=settings.max_download, timeout=settings.download_timeout)
        return Executor(
            runs=runs,
            blobs=blobs,
            inputs=Inputs(blobs=blobs, spool=self._spool, fetcher=fetcher),
            spool=self._spool,
            hand=self._hand,
            leaders=Leaders(Reuse(store=runs, blobs=blobs, inline_limit=settings.inline_limit)),
            settings=settings,
            learn=self._pace.learn,
            meter=self._meter,
            tracer=self._tracer,
        )

    def _consumer(self, process: ModelProcess) -> Consumer:
        return Consumer(
            process,
            broker=self._broker,
            executor=self._executor,
            pace=self._pace,
            gate=self._announced,
            consuming=self.ready,
        )


def _card(ready: Ready, *, processes: int) -> Card:
    return Card(
        model=ready.model,
        version=ready.version,
        input_schema=Raw(ready.input_schema),
        output_schema=Raw(ready.output_schema),
        description=ready.description,
        batch=ready.batch,
        slots=processes * ready.batch * ready.concurrency,
        streams=ready.streams,
        queue_timeout=ready.queue_timeout,
        total_timeout=ready.total_timeout,
        retention=ready.retention,
        reuse=ready.reuse,
        announced_at=time.time(),
    )


def _first(errors: BaseExceptionGroup[UsageError]) -> UsageError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
