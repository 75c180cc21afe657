"""The concurrent caller: has an asynchronous model make several runs at once, as tasks of one event loop."""

from __future__ import annotations

import asyncio
import inspect
import time
from asyncio import CancelledError
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from leveret.core.outcome import Outcome, Overran, Returned, Stopped, Streamed
from leveret.core.ports import Running
from leveret.core.prediction import Means
from leveret.errors import InvalidOutput
from leveret.model.context import Context
from leveret.model.exchange import Exchange
from leveret.model.load import Model
from leveret.model.where import Target
from leveret.worker.child.capture import Capture
from leveret.worker.child.channel import Channel, ToRunner
from leveret.worker.child.exchanges import Exchanges
from leveret.worker.child.health import checked
from leveret.worker.child.loop import Loop
from leveret.worker.child.reports import Reports
from leveret.worker.child.results import encoded, failed, raised
from leveret.worker.child.voices import Voices
from leveret.worker.frames import Begun, Cancel, Check, Ended, Item, Run, Stop, TimeUp

NOT_BEGUN: Final = Stopped(Means.NOT_BEGUN)
INTERRUPTED: Final = Stopped(Means.INTERRUPTED)

T = TypeVar("T")


class _UnderWay:
    """A run that has begun."""

    __slots__ = ("call", "canceled", "item", "late", "task")

    def __init__(self, item: Item, call: int) -> None:
        self.item = item
        self.task: asyncio.Task[None] | None = None
        self.canceled = False
        self.call = call
        self.late: float | None = None
        """The timeout, in seconds, if it has taken longer."""

    @property
    def run(self) -> Running:
        """Which run it is."""
        return Running(self.item.id, self.item.attempt)


class Concurrent:
    """Runs items, at most `concurrency` at once: each ends in exactly one outcome, whatever the user's code raises.

    1. What arrives begins in its order, as soon as there is room.
    2. A run that shall be `alone` begins when nothing else is under way, and nothing else does until it has ended.
    3. A cancel raises CancelledError where the run waits, and so does the end of its time. A run that returns all the
       same has succeeded; one that does not end is its worker's to deal with.
    4. When told to stop it finishes everything that has arrived.
    """

    def __init__(
        self,
        *,
        model: Model,
        predict: Target,
        channel: Channel,
        reports: Reports,
        capture: Capture,
        exchanges: Exchanges,
        loop: Loop,
    ) -> None:
        self._model = model
        self._predict = predict
        self._channel = channel
        self._reports = reports
        self._capture = capture
        self._exchanges = exchanges
        self._loop = loop
        self._voices = Voices(reports)
        self._most = model.options.concurrency or 1
        self._healthcheck = model.healthcheck(predict)
        self._calls = 0
        self._waiting: deque[Item] = deque()
        self._under_way: dict[Running, _UnderWay] = {}
        self._stopped = False
        self._finished = asyncio.Event()

    def listen(self) -> None:
        """From now on what the worker sends is for this, and what the model writes is told apart."""
        self._channel.divert(lambda frame: self._loop.soon(self._accept, frame))
        self._voices.start()

    def serve(self) -> None:
        """Run what is sent until told to stop."""
        self._loop.run(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        await self._finished.wait()

    def _accept(self, frame: ToRunner) -> None:
        match frame:
            case Run(items=items):
                self._waiting.extend(items)
            case Cancel():
                self._cancel(frame)
            case TimeUp():
                self._soon(self._time_up, frame)
            case Check():
                self._check()
            case Stop():
                self._stopped = True
        self._fill()

    def _cancel(self, cancel: Cancel) -> None:
        for item in self._waiting:
            if (item.id, item.attempt) == (cancel.id, cancel.attempt):
                self._waiting.remove(item)
                self._channel.send([Ended(item.id, item.attempt, NOT_BEGUN, 0.0)])
                return
        self._soon(self._strike, Running(cancel.id, cancel.attempt))

    def _soon(self, call: Callable[[T], None], argument: T) -> None:
        """A task that is canceled before its first step never takes it; this comes behind that step."""
        asyncio.get_running_loop().call_soon(call, argument)

    def _strike(self, run: Running) -> None:
        under_way = self._under_way.get(run)
        if under_way is not None and under_way.task is not None:
            under_way.canceled = True
            under_way.task.cancel()

    def _time_up(self, late: TimeUp) -> None:
        for under_way in self._under_way.values():
            if under_way.call == late.call and under_way.task is not None:
                under_way.late = late.timeout
                under_way.task.cancel()

    def _check(self) -> None:
        said = checked(self._healthcheck)
        self._channel.send([said])
        if said.problem:
            self._stopped = True
            self._finished.set()

    def _fill(self) -> None:
        """Begin what there is room for."""
        while self._waiting and self._has_room(self._waiting[0]):
            self._begin(self._waiting.popleft())
        if not self._under_way:
            self._reports.forget()
            if self._stopped:
                self._finished.set()

    def _has_room(self, item: Item) -> bool:
        if item.alone or any(one.item.alone for one in self._under_way.values()):
            return not self._under_way
        return len(self._under_way) < self._most

    def _begin(self, item: Item) -> None:
        self._calls += 1
        under_way = _UnderWay(item, self._calls)
        self._under_way[under_way.run] = under_way
        if self._model.options.timeout is not None:
            self._channel.send([Begun(under_way.call, [under_way.run])])
        self._capture.begin(self._items())
        under_way.task = asyncio.get_running_loop().create_task(self._see_through(under_way))

    async def _see_through(self, under_way: _UnderWay) -> None:
        item = under_way.item
        voice = self._voices.give(item)
        outcome: Outcome
        began = time.perf_counter()
        try:
            outcome = await self._outcome(item)
        except BaseException as error:
            outcome = self._broken_off(under_way, error)
        seconds = time.perf_counter() - began
        voice.finish()
        del self._under_way[under_way.run]
        self._capture.end(left=self._items())
        self._reports.finish()
        self._channel.send([Ended(item.id, item.attempt, outcome, seconds)])
        self._reports.forget_run(item.id, item.attempt)
        self._fill()

    def _broken_off(self, under_way: _UnderWay, error: BaseException) -> Outcome:
        """Whatever comes out of a run that was struck, that is the reason."""
        if under_way.canceled:
            return INTERRUPTED
        if under_way.late is not None:
            return Overran(under_way.late, Means.INTERRUPTED, raised(error).traceback)
        return failed(error, retry_on=self._model.options.retry_on)

    async def _outcome(self, item: Item) -> Outcome:
        exchange = self._exchanges.of(item)
        arguments = self._model.inputs.arguments(item.input, exchange)
        if self._model.context is not None:
            arguments[self._model.context] = Context(
                id=item.id, attempt=item.attempt, traceparent=item.traceparent, reporter=self._capture
            )
        result = self._predict(**arguments)
        if inspect.isawaitable(result):
            result = await result
        if self._model.streams:
            return await self._streamed(item, result, exchange)
        return Returned(encoded(result, exchange))

    async def _streamed(self, item: Item, result: object, exchange: Exchange | None) -> Outcome:
        if not isinstance(result, AsyncIterable):
            reason = f"the model shall return an asynchronous iterator but returned {type(result).__name__}"
            raise InvalidOutput(reason=reason)
        stream, some = aiter(result), False
        try:
            step = anext(stream)
            while True:
                try:
                    chunk = await step
                except StopAsyncIteration:
                    break
                self._reports.put_out(item.id, item.attempt, encoded(chunk, exchange))
                some = True
                step = await _turn(stream)
        finally:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()
        # A stream without any chunk would leave the output `null`, which its schema does not allow.
        return Streamed() if some else Returned(b"[]")

    def _items(self) -> list[Item]:
        return [one.item for one in self._under_way.values()]


async def _turn(stream: AsyncIterator[object]) -> Awaitable[object]:
    """The next step of a stream, once everybody else has had a turn: streams that never wait keep nobody waiting.

    A cancel that comes meanwhile is raised where the generator stands, as it would be if it waited.
    """
    try:
        await asyncio.sleep(0)
    except CancelledError as canceled:
        if isinstance(stream, AsyncGenerator):
            return stream.athrow(canceled)
        raise
    return anext(stream)
