"""The caller: calls the user's model with what the worker sends, and makes one outcome of each item."""

from __future__ import annotations

import time
import traceback
from collections.abc import Generator, Iterable, Sequence
from typing import Final, TypeAlias

from leveret.core.outcome import Outcome, Raised, Returned, Streamed
from leveret.errors import InvalidInput, InvalidOutput, LeveretError
from leveret.model.context import Context
from leveret.model.load import Model
from leveret.model.output import encode
from leveret.model.schema import Arguments
from leveret.model.where import Target, users_part
from leveret.worker.channel import Channel
from leveret.worker.frames import LIMIT, Ended, Item
from leveret.worker.interrupts import Interrupts
from leveret.worker.reports import Reports, sendable

_MOST_ERROR: Final = 10_000
_MOST_TRACEBACK: Final = 100_000

_Call: TypeAlias = tuple[Item, Arguments]


class Caller:
    """Runs items: each ends in exactly one outcome, whatever the user's code raises."""

    def __init__(self, *, model: Model, predict: Target, channel: Channel, interrupts: Interrupts) -> None:
        self._model = model
        self._predict = predict
        self._channel = channel
        self._interrupts = interrupts
        self._reports = Reports(channel.send, held_off=interrupts.held_off)

    def run(self, items: Sequence[Item]) -> None:
        """Run these items: together if the model is batched, otherwise one after the other."""
        if self._model.options.batch is not None:
            self._together(self._interrupts.begin(items))
            return
        for item in items:
            if self._interrupts.begin([item]):
                self._alone(item)

    def _alone(self, item: Item) -> None:
        began = time.perf_counter()
        outcome: Outcome
        try:
            arguments = self._arguments(item)
            began = time.perf_counter()
            with self._interrupts:
                result = self._predict(**arguments)
                outcome = self._streamed(item, result) if self._model.streams else Returned(_encoded(result))
        except BaseException as error:
            (outcome,) = self._broken_off([item], error)
        self._end([(item, outcome)], seconds=time.perf_counter() - began)

    def _together(self, items: Sequence[Item]) -> None:
        calls: list[_Call] = []
        for item in items:
            try:
                calls.append((item, self._arguments(item)))
            except BaseException as error:
                self._end([(item, raised(error))], seconds=0.0)
        if not calls:
            return
        began = time.perf_counter()
        outcomes = self._batch(calls)
        ended = [(item, outcome) for (item, _), outcome in zip(calls, outcomes, strict=True)]
        self._end(ended, seconds=time.perf_counter() - began)

    def _batch(self, calls: Sequence[_Call]) -> list[Outcome]:
        """The outcomes of one call with all of these: they fail together."""
        names = calls[0][1]
        columns = {name: [arguments[name] for _, arguments in calls] for name in names}
        try:
            with self._interrupts:
                results = _listed(self._predict(**columns), length=len(calls))
        except BaseException as error:
            return self._broken_off([item for item, _ in calls], error)
        return [_returned(result) for result in results]

    def _broken_off(self, items: Sequence[Item], error: BaseException) -> list[Outcome]:
        """The outcomes of a call that raised. Whatever comes out of one that was struck, that is the reason."""
        if self._interrupts.struck:
            return [self._interrupts.outcome(item) for item in items]
        return [raised(error)] * len(items)

    def _arguments(self, item: Item) -> Arguments:
        arguments = self._model.inputs.arguments(item.input)
        if self._model.context is not None:
            arguments[self._model.context] = Context(id=item.id, attempt=item.attempt, reporter=self._reports)
        return arguments

    def _streamed(self, item: Item, result: object) -> Outcome:
        if not isinstance(result, Iterable):
            raise InvalidOutput(reason=f"the model shall return an iterator but returned {type(result).__name__}")
        some = False
        try:
            for chunk in result:
                self._reports.put_out(item.id, item.attempt, _encoded(chunk))
                some = True
        finally:
            if isinstance(result, Generator):
                result.close()
        # A stream without any chunk would leave the output `null`, which its schema does not allow.
        return Streamed() if some else Returned(b"[]")

    def _end(self, ended: Sequence[tuple[Item, Outcome]], *, seconds: float) -> None:
        self._reports.finish()
        self._channel.send([Ended(item.id, item.attempt, outcome, seconds) for item, outcome in ended])


def raised(error: BaseException) -> Raised:
    """The outcome that tells of an error of the user's code, or of a value that does not fit."""
    try:
        expected = isinstance(error, InvalidInput | InvalidOutput)
        return Raised(_described(error), "" if expected else _traced(error))
    except BaseException as broken:  # an error whose own methods raise, or there is no memory left to tell of it
        return Raised(f"{type(error).__name__} (its text cannot be had: {type(broken).__name__})", "")


def _described(error: BaseException) -> str:
    """The error in a line, as `ValueError: text`."""
    text = str(error)
    if isinstance(error, LeveretError):
        return _cut(text, _MOST_ERROR)
    kind = type(error).__name__
    return _cut(f"{kind}: {text}" if text else kind, _MOST_ERROR)


def _traced(error: BaseException) -> str:
    """The traceback of the user's part of the stack."""
    lines = traceback.format_exception(type(error), error, users_part(error.__traceback__))
    return _cut("".join(lines), _MOST_TRACEBACK)


def _returned(result: object) -> Outcome:
    try:
        return Returned(_encoded(result))
    except BaseException as error:
        return raised(error)


def _encoded(result: object) -> bytes:
    data = encode(result)
    if len(data) > LIMIT // 2:
        raise InvalidOutput(reason=f"its {len(data)} bytes are more than the {LIMIT // 2} that can be passed on")
    return data


def _listed(results: object, *, length: int) -> Sequence[object]:
    """The results of a batch, one for each item."""
    if callable(tolist := getattr(results, "tolist", None)):
        results = tolist()
    if not isinstance(results, list | tuple):
        reason = f"a batched model returns a list with one result for each input, not a {type(results).__name__}"
        raise InvalidOutput(reason=reason)
    if len(results) != length:
        reason = f"the model was given {length} inputs and returned {len(results)} results; return one for each"
        raise InvalidOutput(reason=reason)
    return results


def _cut(text: str, most: int) -> str:
    """The text, its middle left out if it is longer than `most` characters."""
    if len(text) <= most:
        return sendable(text)
    return sendable(f"{text[: most // 2]}\n… {len(text) - most} characters left out …\n{text[-most // 2 :]}")
