"""The caller: calls the user's model with what the worker sends, and makes one outcome of each item."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Sequence

from leveret.core.outcome import Outcome, Returned, Streamed
from leveret.core.ports import Running
from leveret.errors import InvalidOutput
from leveret.model.context import Context
from leveret.model.load import Model
from leveret.model.schema import Arguments
from leveret.model.where import Target
from leveret.worker.child.batches import Batches
from leveret.worker.child.capture import Capture
from leveret.worker.child.channel import Channel
from leveret.worker.child.exchanges import Exchanges
from leveret.worker.child.interrupts import Interrupts
from leveret.worker.child.reports import Reports
from leveret.worker.child.results import encoded, failed
from leveret.worker.frames import Begun, Ended, Item


class Caller:
    """Runs items: each ends in exactly one outcome, whatever the user's code raises."""

    def __init__(
        self,
        *,
        model: Model,
        predict: Target,
        channel: Channel,
        reports: Reports,
        capture: Capture,
        exchanges: Exchanges,
        interrupts: Interrupts,
    ) -> None:
        self._model = model
        self._predict = predict
        self._channel = channel
        self._reports = reports
        self._capture = capture
        self._exchanges = exchanges
        self._interrupts = interrupts
        self._batches = Batches(
            predict=predict,
            options=model.options,
            capture=capture,
            exchanges=exchanges,
            interrupts=interrupts,
            tell=self._tell,
        )

    def run(self, items: Sequence[Item]) -> None:
        """Run these items: together if the model is batched, otherwise one after the other."""
        if self._model.options.batch is not None:
            self._together(items)
        else:
            for item in items:
                if self._interrupts.begin([item]):
                    self._tell([item])
                    self._alone(item)
        self._reports.forget()

    def _alone(self, item: Item) -> None:
        self._capture.begin([item])
        began = time.perf_counter()
        outcome: Outcome
        try:
            arguments = self._arguments(item)
            began = time.perf_counter()
            with self._interrupts:
                result = self._predict(**arguments)
                if self._model.streams:
                    outcome = self._streamed(item, result)
                else:
                    outcome = Returned(encoded(result, self._exchanges.of(item)))
        except BaseException as error:
            # Whatever comes out of a call that was struck, that is the reason.
            outcome = self._interrupts.outcome(item, error) if self._interrupts.struck else self._failed(error)
        seconds = time.perf_counter() - began
        self._capture.end()
        self._end([item], [outcome], seconds=seconds)

    def _together(self, items: Sequence[Item]) -> None:
        calls: list[tuple[Item, Arguments]] = []
        for item in items:
            self._capture.begin(items)
            try:
                calls.append((item, self._arguments(item)))
            except BaseException as error:
                self._capture.end()
                self._end(self._interrupts.begin([item]), [self._failed(error)], seconds=0.0)
        for made in self._batches.make(calls):
            self._end(made.items, made.outcomes, seconds=made.seconds)

    def _tell(self, begun: Sequence[Item]) -> None:
        """The worker measures the time of calls, if it is limited: this process may be too busy to."""
        if self._model.options.timeout is not None and begun:
            runs = [Running(item.id, item.attempt) for item in begun]
            self._channel.send([Begun(self._interrupts.call, runs)])

    def _arguments(self, item: Item) -> Arguments:
        arguments = self._model.inputs.arguments(item.input, self._exchanges.of(item))
        if self._model.context is not None:
            arguments[self._model.context] = Context(
                id=item.id, attempt=item.attempt, traceparent=item.traceparent, reporter=self._capture
            )
        return arguments

    def _failed(self, error: BaseException) -> Outcome:
        return failed(error, retry_on=self._model.options.retry_on)

    def _streamed(self, item: Item, result: object) -> Outcome:
        if not isinstance(result, Iterable):
            raise InvalidOutput(reason=f"the model shall return an iterator but returned {type(result).__name__}")
        some, exchange = False, self._exchanges.of(item)
        try:
            for chunk in result:
                self._reports.put_out(item.id, item.attempt, encoded(chunk, exchange))
                some = True
        finally:
            if isinstance(result, Generator):
                result.close()
        # A stream without any chunk would leave the output `null`, which its schema does not allow.
        return Streamed() if some else Returned(b"[]")

    def _end(self, items: Sequence[Item], outcomes: Sequence[Outcome], *, seconds: float) -> None:
        self._reports.finish()
        ended = zip(items, outcomes, strict=False)  # one that was canceled before it began has ended already
        self._channel.send([Ended(item.id, item.attempt, outcome, seconds) for item, outcome in ended])
