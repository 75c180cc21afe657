"""The concurrent caller: has an asynchronous model make several runs at once, as tasks of one event loop."""

from __future__ import annotations

import asyncio
import inspect
import time
from asyncio import CancelledError
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable
from typing import Final, TypeAlias

from leveret.core.outcome import Outcome, Returned, Stopped, Streamed
from leveret.core.prediction import Means
from leveret.errors import InvalidOutput
from leveret.model.context import Context
from leveret.model.load import Model
from leveret.model.where import Target
from leveret.worker.child.capture import Capture
from leveret.worker.child.channel import Channel
from leveret.worker.child.loop import Loop
from leveret.worker.child.reports import Reports
from leveret.worker.child.results import encoded, failed
from leveret.worker.child.voices import Voices
from leveret.worker.frames import Cancel, Ended, Item, Run, Stop

NOT_BEGUN: Final = Stopped(Means.NOT_BEGUN)
INTERRUPTED: Final = Stopped(Means.INTERRUPTED)

_Run: TypeAlias = tuple[str, int]


class _UnderWay:
    """A run that has begun."""

    __slots__ = ("canceled", "item", "task")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.task: asyncio.Task[None] | None = None
        self.canceled = False


class Concurrent:
    """Runs items, at most `concurrency` at once: each ends in exactly one outcome, whatever the user's code raises.

    1. What arrives begins in its order, as soon as there is room.
    2. A run that shall be `alone` begins when nothing else is under way, and nothing else does until it has ended.
    3. A cancel raises CancelledError where the run waits. A run that returns all the same has succeeded; one that
       does not end is its worker's to deal with.
    4. When told to stop it finishes everything that has arrived.
    """

    def __init__(
        self, *, model: Model, predict: Target, channel: Channel, reports: Reports, capture: Capture, loop: Loop
    ) -> None:
        self._model = model
        self._predict = predict
        self._channel = channel
        self._reports = reports
        self._capture = capture
        self._loop = loop
        self._voices = Voices(reports)
        self._most = model.options.concurrency or 1
        self._waiting: deque[Item] = deque()
        self._under_way: dict[_Run, _UnderWay] = {}
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

    def _accept(self, frame: Run | Cancel | Stop) -> None:
        match frame:
            case Run(items=items):
                self._waiting.extend(items)
            case Cancel():
                self._cancel(frame)
            case Stop():
                self._stopped = True
        self._fill()

    def _cancel(self, cancel: Cancel) -> None:
        for item in self._waiting:
            if (item.id, item.attempt) == (cancel.id, cancel.attempt):
                self._waiting.remove(item)
                self._channel.send([Ended(item.id, item.attempt, NOT_BEGUN, 0.0)])
                return
        # A task that is canceled before its first step never takes it; this comes behind that step.
        asyncio.get_running_loop().call_soon(self._strike, (cancel.id, cancel.attempt))

    def _strike(self, run: _Run) -> None:
        under_way = self._under_way.get(run)
        if under_way is not None and under_way.task is not None:
            under_way.canceled = True
            under_way.task.cancel()

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
        under_way = self._under_way[item.id, item.attempt] = _UnderWay(item)
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
            # Whatever comes out of a run that was struck, that is the reason.
            outcome = INTERRUPTED if under_way.canceled else self._failed(error)
        seconds = time.perf_counter() - began
        voice.finish()
        del self._under_way[item.id, item.attempt]
        self._capture.end(left=self._items())
        self._reports.finish()
        self._channel.send([Ended(item.id, item.attempt, outcome, seconds)])
        self._reports.forget_run(item.id, item.attempt)
        self._fill()

    def _failed(self, error: BaseException) -> Outcome:
        return failed(error, retry_on=self._model.options.retry_on)

    async def _outcome(self, item: Item) -> Outcome:
        arguments = self._model.inputs.arguments(item.input)
        if self._model.context is not None:
            arguments[self._model.context] = Context(id=item.id, attempt=item.attempt, reporter=self._capture)
        result = self._predict(**arguments)
        if inspect.isawaitable(result):
            result = await result
        return await self._streamed(item, result) if self._model.streams else Returned(encoded(result))

    async def _streamed(self, item: Item, result: object) -> Outcome:
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
                self._reports.put_out(item.id, item.attempt, encoded(chunk))
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
