"""The consumer: takes deliveries for one model process, as many as it can soon run, and has them executed."""

from __future__ import annotations

import asyncio

import structlog
from structlog.typing import FilteringBoundLogger

from leveret.core.ports import Broker, Deliveries
from leveret.errors import Unavailable
from leveret.worker.batcher import Batcher, Pace, Terms
from leveret.worker.executor import Executor
from leveret.worker.hand import give_back
from leveret.worker.patience import Leavable, pause_after
from leveret.worker.process import ModelProcess
from leveret.worker.room import Room, Stay

_log: FilteringBoundLogger = structlog.get_logger()


class Consumer:
    """Consumes for one process, until that shall take nothing more or the consumer is stopped.

    1. waits until `gate` is open, and sets `consuming`,
    2. consumes on the terms that the model's pace suggests, and again on others when those do not fit any more,
    3. takes a batch whenever the process has room for one, and has it executed; see Room,
    4. at the end gives back what it has not begun, and sees through what it has.

    It stops by itself when the process has been given as many predictions as it may.
    """

    def __init__(
        self,
        process: ModelProcess,
        *,
        broker: Broker,
        executor: Executor,
        pace: Pace,
        gate: asyncio.Event,
        consuming: asyncio.Event,
    ) -> None:
        self._process = process
        self._broker = broker
        self._executor = executor
        self._pace = pace
        self._gate = gate
        self._consuming = consuming
        self._waiting = Leavable()
        self._stopped = False
        self._left = process.most
        self._deliveries: Deliveries | None = None

    @property
    def active(self) -> bool:
        """Whether it is given what waits now."""
        return self._deliveries is not None and self._deliveries.arriving

    async def run(self) -> None:
        """Consume until stopped; returns when every batch has been seen through."""
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(loop) for loop in (self._watch(), self._process.watch())]
            async with self._waiting.block():
                await self._gate.wait()
            await self._consume()
            for task in watching:
                task.cancel()

    def stop(self) -> None:
        """Take nothing more."""
        self._stopped = True
        self._waiting.leave()

    async def _watch(self) -> None:
        await self._process.leaving.wait()
        self.stop()

    async def _consume(self) -> None:
        failures = 0
        while not self._stopped:
            try:
                await self._consume_on(self._terms())
                failures = 0
            except* Unavailable as errors:
                failures += 1
                _log.warning("not consuming", model=self._process.ready.model, error=str(errors.exceptions[0]))
                async with self._waiting.block():
                    await asyncio.sleep(pause_after(failures))

    async def _consume_on(self, terms: Terms) -> None:
        # Inside out: taking can be interrupted, then the batches are seen through, and only then, since their
        # deliveries belong to it, the consumption is left.
        ready = self._process.ready
        # What goes back because the process has had its share counts with some brokers: so it may not be much.
        async with self._broker.consume(ready.model, ahead=min(terms.ahead, self._left)) as deliveries:
            self._consuming.set()
            self._deliveries = deliveries
            try:
                await self._take_from(deliveries, terms)
            finally:
                self._deliveries = None

    async def _take_from(self, deliveries: Deliveries, terms: Terms) -> None:
        ready = self._process.ready
        batcher = Batcher(deliveries, window=ready.batch_window if ready.batch > 1 else 0.0)
        async with asyncio.TaskGroup() as batches:
            async with self._waiting.block():
                await self._take(batcher, terms, batches)
            for delivery in batcher.left():
                await give_back(delivery, delay=0.0)

    async def _take(self, batcher: Batcher, terms: Terms, batches: asyncio.TaskGroup) -> None:
        room = Room(terms, self._terms)
        while self._left:
            await room.wait()
            if self._stopped:
                return
            if not terms.fit(self._terms()) and await room.empty():
                return
            deliveries = await batcher.take(min(room.most(), self._left))
            self._left -= len(deliveries)
            batches.create_task(self._execute(room.admit(deliveries)))
        _log.info("model process has done its share", pid=self._process.pid, model=self._process.ready.model)
        self._stopped = True

    async def _execute(self, stay: Stay) -> None:
        try:
            await self._executor.execute(stay.deliveries, self._process, claimed=stay.claimed)
        finally:
            stay.end()

    def _terms(self) -> Terms:
        """The terms of this moment."""
        return self._pace.terms(self._process.ready.batch, self._process.ready.concurrency)
