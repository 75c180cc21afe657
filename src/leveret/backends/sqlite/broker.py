"""The broker on SQLite: queues, delayed messages and rejected ones in the embedded database.

A message stays in the database until it is acknowledged. Who holds it is known in memory only, so what was held
by a process that has ended is delivered again.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import Future, TimerHandle
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from itertools import count
from typing import Final

from leveret.backends.sqlite import messages
from leveret.backends.sqlite.database import Database, Operation
from leveret.backends.sqlite.deliveries import SqliteDeliveries
from leveret.backends.sqlite.doorbells import Doorbells, Watcher
from leveret.backends.sqlite.errands import QUEUE, SqliteErrands
from leveret.backends.sqlite.messages import GivenUp, Message, Moved
from leveret.backends.sqlite.queues import Hand, Queue
from leveret.core import wire
from leveret.core.lanes import COUNT
from leveret.core.ports import Deliveries, Rejected
from leveret.core.prediction import Prediction, ReplyTo
from leveret.errors import BrokerUnavailable, NoReplyQueue, QueueRefused, StoreUnavailable, Undecodable

_PATIENCE: Final = 1.0
"""Seconds after which moving what is due is tried again when the database has failed."""


class SqliteBroker:
    """Four lanes for each model. Made inside the event loop, as it minds what becomes due from then on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._control = Doorbells[bytes](size=len)
        self._timer: TimerHandle | None = None
        self._due = 0.0
        self._looked_at: set[int] = set()
        contents = database.look(messages.contents)
        self._positions = count(contents.last + 1)
        self._queues = {model: self._queue(model) for model in [*contents.models, QUEUE]}
        for model, lane, waiting in contents.waiting:
            self._queues[model].arrived(lane, waiting)
        self._expect(contents.due)

    @property
    def accepting(self) -> bool:
        """See core.ports.Broker."""
        return self._database.open

    async def declare(self, model: str) -> None:
        """See core.ports.Broker."""
        if model not in self._queues:
            await self._write(partial(messages.declare, model=model), then=lambda _: self._declared(model))

    async def publish(self, prediction: Prediction, *, delay: float = 0.0) -> None:
        """See core.ports.Broker.

        It does not wait for the disk: the record, which did, is in the same log before it, and what clears its outbox
        entry comes behind it. So after a power cut the outbox has whatever the queue has lost.
        """
        queue = self._queues.get(prediction.model)
        if queue is None:
            raise QueueRefused(model=prediction.model, reason="no worker has ever served it")
        await self._add(queue, prediction.model, prediction.lane, wire.encode(prediction), delay)

    @asynccontextmanager
    async def consume(self, model: str, *, ahead: int) -> AsyncIterator[Deliveries]:
        """See core.ports.Broker. Nothing is ever sent ahead: there is nothing to be gained by it in one process."""
        await self.declare(model)
        hand = Hand(self._queues[model])
        try:
            yield SqliteDeliveries(hand, self._database, postpone=self._postpone)
        finally:
            hand.close()

    async def depth(self, model: str) -> tuple[int, ...]:
        """See core.ports.Broker."""
        queue = self._queues.get(model)
        return (0,) * COUNT if queue is None else tuple(lane.waiting for lane in queue.lanes)

    @asynccontextmanager
    async def rejected(self, *, limit: int) -> AsyncIterator[list[Rejected]]:
        """See core.ports.Broker."""
        try:
            found = await self._database.read(partial(messages.given_up, limit=limit + len(self._looked_at)))
        except StoreUnavailable as error:
            raise BrokerUnavailable(reason=error.data["reason"]) from error
        mine = [one for one in found if one.seq not in self._looked_at][:limit]
        self._looked_at.update([one.seq for one in mine])
        try:
            yield [self._rejected(one) for one in mine]
        finally:
            self._looked_at.difference_update([one.seq for one in mine])

    async def reply(self, to: ReplyTo, prediction_id: str, body: bytes) -> None:
        """See core.ports.Broker. Nobody can ask over AMQP here, so there are no queues for replies."""
        raise NoReplyQueue(queue=to.queue)

    async def tell(self, worker: str, message: bytes) -> None:
        """See core.ports.Broker."""
        self._control.ring(worker, [message])

    @asynccontextmanager
    async def listen(self, worker: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """See core.ports.Broker."""
        with self._control.watch(worker) as watcher:
            async with aclosing(_heard(watcher)) as heard:
                yield heard

    async def send(self, errand: bytes, *, delay: float = 0.0) -> None:
        """See core.hooks.Errands. It does not wait for the disk either: what notes in the store that it was sent does
        not come before it.
        """
        await self._add(self._queues[QUEUE], QUEUE, 0, errand, delay)

    @asynccontextmanager
    async def errands(self, *, capacity: int) -> AsyncIterator[SqliteErrands]:
        """See core.hooks.Errands."""
        hand = Hand(self._queues[QUEUE])
        try:
            yield SqliteErrands(hand, self._database, capacity=capacity)
        finally:
            hand.close()

    async def _add(self, queue: Queue, model: str, lane: int, body: bytes, delay: float) -> None:
        if delay > 0:
            due = time.time() + delay
            later = partial(messages.add_later, due=due, model=model, lane=lane, body=body)
            await self._write(later, then=lambda _: self._expect(due))
        else:
            now = partial(messages.add, positions=self._positions, model=model, lane=lane, body=body)
            await self._write(now, then=lambda _: queue.arrived(lane))

    def _queue(self, model: str) -> Queue:
        return Queue(lambda lane, behind: self._page(model, lane, behind))

    def _page(self, model: str, lane: int, behind: int) -> list[Message]:
        try:
            return self._database.look(partial(messages.page, model=model, lane=lane, behind=behind))
        except StoreUnavailable as error:
            raise BrokerUnavailable(reason=error.data["reason"]) from error

    def _rejected(self, one: GivenUp) -> Rejected:
        try:
            prediction = wire.decode(one.body)
        except Undecodable:
            prediction = None
        return Rejected(
            one.body, prediction, f"{one.reason} (queue of {one.model})", one.at, partial(self._forget, one)
        )

    def _forget(self, one: GivenUp) -> None:
        if one.seq in self._looked_at:
            self._looked_at.discard(one.seq)
            self._database.write(partial(messages.forget, seq=one.seq))

    async def _postpone(self, message: Message, delay: float) -> None:
        due = time.time() + delay
        await self._write(partial(messages.delay, message=message, due=due), then=lambda _: self._expect(due))

    async def _write(self, operation: Operation[None], *, then: Callable[[None], None]) -> None:
        try:
            await self._database.write(operation, then=then)
        except StoreUnavailable as error:
            raise BrokerUnavailable(reason=error.data["reason"]) from error

    def _declared(self, model: str) -> None:
        if model not in self._queues:
            self._queues[model] = self._queue(model)

    def _expect(self, due: float | None) -> None:
        """Move what is due at this time, unless something else is due earlier: that looks again."""
        if due is None or (self._timer is not None and self._due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - time.time()), self._move_due)

    def _move_due(self) -> None:
        self._timer = None
        if self._database.open:
            moving = self._database.write(partial(messages.move_due, positions=self._positions))
            moving.add_done_callback(self._moved)

    def _moved(self, moving: Future[Moved]) -> None:
        if moving.exception() is not None:
            self._expect(time.time() + _PATIENCE)
            return
        moved = moving.result()
        for model, lane in moved.messages:
            self._queues[model].arrived(lane)
        self._expect(moved.due)


async def _heard(watcher: Watcher[bytes]) -> AsyncGenerator[bytes, None]:
    while True:
        for message in await watcher.news():
            yield message
