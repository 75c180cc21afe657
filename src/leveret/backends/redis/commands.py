"""The calls of the scripts: what each change of a prediction is as a Redis command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from leveret.backends.redis import record
from leveret.backends.redis.connection import Command, Part
from leveret.backends.redis.keys import Keys
from leveret.backends.redis.scripts import Script, Scripts
from leveret.core import deadlines, events, lanes, lifecycle, wire
from leveret.core.events import Ending, Failed, Output, Queued, Report, Reset, Started
from leveret.core.letters import DeadLetter
from leveret.core.ports import Running
from leveret.core.prediction import Prediction
from leveret.core.retry import LOST_WORKER, TOLERANCE

(_WAITS,) = lifecycle.ALLOWED[Started]
(_RUNS,) = lifecycle.ALLOWED[Output]
_ATTEMPT: Final = b'"attempt":'
_CHARGED: Final = b'"charged":'


class Commands:
    """Makes the commands; the scripts know nothing of the lifecycle but what they are told here."""

    def __init__(self, *, keys: Keys, scripts: Scripts) -> None:
        self._keys = keys
        self._scripts = scripts

    def create(self, prediction: Prediction, *, at: float) -> Command:
        """Record it; the script chooses its lane."""
        thresholds = lanes.thresholds(prediction.priority)
        return self._create(prediction, at, "", int(prediction.created_at * 1000), *thresholds)

    def rebuild(self, message: Prediction, *, at: float) -> Command:
        """Record it as its message says, which is in its queue already."""
        return self._create(message, at, message.lane, "")

    def claims(
        self, predictions: Sequence[Prediction], *, worker: str, lease: float, most: int | None, at: float
    ) -> list[Command]:
        """Take the runs; the script puts the numbers into the events."""
        reset = Reset(at=at, attempt=0, reason=LOST_WORKER, charged=0)
        started = Started(at=at, attempt=0, worker=worker)
        _, deleted = record.encode(lifecycle.change(reset).fields)
        fields = {name: value for name, value in lifecycle.change(started).fields.items() if name != "attempt"}
        present, _ = record.encode(fields)
        parts: list[Part] = [worker, _milliseconds(lease), _WAITS, _RUNS, "" if most is None else most]
        parts += (*_around(reset, _ATTEMPT, _CHARGED), *_around(started, _ATTEMPT))
        parts += (len(deleted), *deleted, *present)
        return [self._claim(prediction, parts) for prediction in predictions]

    def beat(self, run: Running, *, worker: str, lease: float) -> Command:
        """Renew the lease."""
        keys = (self._keys.record(run.id), self._keys.leases)
        return _call(self._scripts.beat, keys, run.id, run.attempt, worker, _RUNS, _milliseconds(lease))

    def append(self, run: Running, reports: Sequence[Report], *, worker: str, number: int) -> Command:
        """Add the reports to the log."""
        keys = (self._keys.record(run.id), self._keys.log(run.id))
        encoded = [events.encode(report) for report in reports]
        return _call(self._scripts.append, keys, run.attempt, worker, _RUNS, number, *encoded)

    def end(self, prediction_id: str, ending: Ending, *, worker: str = "") -> Command:
        """Make the change that the ending demands, of the worker's run or (without a worker) from outside."""
        keys = self._keys
        change = lifecycle.change(ending)
        present, absent = record.encode(change.fields)
        dies = isinstance(ending, Failed) and ending.dead is not None
        sets = (keys.leases, keys.outstanding, keys.outbox, keys.waiting, keys.deadlines, keys.lines)
        return _call(
            self._scripts.transition,
            (*self._of(prediction_id), *sets, *(self._letter(prediction_id) if dies else ())),
            prediction_id,
            events.encode(ending),
            "" if change.attempt is None else change.attempt,
            worker,
            str(change.fields["status"]),
            1 if change.final else 0,
            _milliseconds(ending.delay - TOLERANCE) if isinstance(ending, Reset) else 0,
            repr(ending.at),
            len(change.allowed),
            *change.allowed,
            len(absent),
            *absent,
            *present,
        )

    def cancel(self, prediction_id: str) -> Command:
        """Record that a cancel is requested of what runs."""
        return _call(self._scripts.cancel, (self._keys.record(prediction_id),), _WAITS, _RUNS)

    def due(self, key: str, *, age: float, hold: float, limit: int) -> Command:
        """The ids in one of the sweeper's sorted sets that have been due for `age` seconds."""
        return _call(self._scripts.due, (key,), _milliseconds(age), _milliseconds(hold), limit)

    def page(self, prediction_id: str, *, after: int, most: int, size: int) -> Command:
        """The log's entries behind number `after`, at most so many, until they have about `size` bytes."""
        return _call(self._scripts.page, (self._keys.log(prediction_id),), after, most, size)

    def published(self, prediction_ids: Sequence[str]) -> Command:
        """Their publish was confirmed."""
        return _call(self._scripts.published, (self._keys.outbox, self._keys.waiting), *prediction_ids)

    def place(self, prediction_id: str) -> Command:
        """Whose it is and in which lane."""
        return ("HMGET", self._keys.record(prediction_id), "owner", "lane")

    def announce(self, model: str, card: bytes, *, worker: str, lease: float, problem: str | None) -> Command:
        """Publish the card and the worker's presence."""
        arguments = (model, card, f"{model} {worker}", _milliseconds(lease), problem or "")
        return _call(self._scripts.announce, self._registry, *arguments)

    def cards(self) -> Command:
        """The cards, who is present, and who has a problem."""
        return _call(self._scripts.cards, self._registry)

    @property
    def _registry(self) -> tuple[str, ...]:
        return (self._keys.cards, self._keys.presence, self._keys.problems)

    def _claim(self, prediction: Prediction, parts: Sequence[Part]) -> Command:
        places = (self._keys.leases, self._keys.outbox, self._keys.waiting, self._keys.lines)
        keys = (*self._of(prediction.id), *places)
        if not deadlines.bounded(prediction):
            return _call(self._scripts.claim, keys, prediction.id, *parts)
        limits = [_moment(deadlines.due(replace(prediction, attempt=0))), _moment(prediction.deadline)]
        return _call(self._scripts.claim, (*keys, self._keys.deadlines), prediction.id, *parts, *limits)

    def bury(self, letter: DeadLetter) -> Command:
        """Keep it, unless there is one with its id."""
        prediction = letter.prediction
        model = "" if prediction is None else prediction.model
        failure = events.encode(letter.failure)
        return _call(self._scripts.bury, self._letter(letter.id), letter.id, model, letter.body, failure)

    def discard(self, letter_id: str) -> Command:
        """Forget it."""
        return _call(self._scripts.discard, self._letter(letter_id), letter_id)

    def _letter(self, letter_id: str) -> tuple[str, str, str]:
        return self._keys.letter(letter_id), self._keys.dead, self._keys.dead_models

    def _create(self, prediction: Prediction, at: float, *arguments: Part) -> Command:
        account, due = prediction.account, deadlines.due(prediction)
        places = (self._keys.outstanding, self._keys.outbox, self._keys.lines)
        keys = [*self._of(prediction.id), self._keys.account(account), *places]
        limits: list[Part] = []
        if due is not None:
            keys.append(self._keys.deadlines)
            limits.append(_moment(due))
        return _call(
            self._scripts.create,
            keys,
            prediction.id,
            wire.encode(prediction),
            _WAITS,
            prediction.attempt,
            prediction.charged,
            events.encode(Queued(at=at)),
            f"{prediction.model} {account}",
            *arguments,
            *limits,
        )

    def _of(self, prediction_id: str) -> tuple[str, str]:
        return self._keys.record(prediction_id), self._keys.log(prediction_id)


def _call(script: Script, keys: Sequence[str], *arguments: Part) -> Command:
    return ("EVALSHA", script.digest, len(keys), *keys, *arguments)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _moment(at: float | None) -> Part:
    """A time in Unix seconds as a score, in ms; '' if there is none."""
    return "" if at is None else repr(at * 1000)


def _around(event: Started | Reset, *names: bytes) -> list[bytes]:
    """The parts of the encoded event between which these numbers belong, which are 0 in it.

    Nobody's text stands before them: the worker's name follows the attempt, and the reason is ours.
    """
    parts, rest = [], events.encode(event)
    for name in names:
        before, _, rest = rest.partition(name + b"0")
        parts.append(before + name)
    return [*parts, rest]
