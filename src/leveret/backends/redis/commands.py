"""The calls of the scripts: what each change of a prediction is as a Redis command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from leveret.backends.redis import record
from leveret.backends.redis.connection import Command, Part
from leveret.backends.redis.keys import Keys
from leveret.backends.redis.scripts import Script, Scripts
from leveret.core import events, lanes, lifecycle, wire
from leveret.core.events import Ending, Output, Queued, Report, Reset, Started
from leveret.core.ports import Running
from leveret.core.prediction import Prediction

LOST_WORKER: Final = "its worker was lost"
"""The reason of the reset when a lease has expired."""

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
        return self._create(prediction, at, "", int(prediction.created_at * 1000), *lanes.THRESHOLDS)

    def rebuild(self, message: Prediction, *, at: float) -> Command:
        """Record it as its message says, which is in its queue already."""
        return self._create(message, at, message.lane, "")

    def claims(self, predictions: Sequence[Prediction], *, worker: str, lease: float, at: float) -> list[Command]:
        """Take the runs; the script puts the numbers into the events."""
        reset = Reset(at=at, attempt=0, reason=LOST_WORKER, charged=0)
        started = Started(at=at, attempt=0, worker=worker)
        _, deleted = record.encode(lifecycle.change(reset).fields)
        fields = {name: value for name, value in lifecycle.change(started).fields.items() if name != "attempt"}
        present, _ = record.encode(fields)
        parts: list[Part] = [worker, _milliseconds(lease), _WAITS, _RUNS]
        parts += (*_around(reset, _ATTEMPT, _CHARGED), *_around(started, _ATTEMPT))
        parts += (len(deleted), *deleted, *present)
        keys = self._keys
        return [
            _call(
                self._scripts.claim,
                (keys.record(prediction.id), keys.log(prediction.id), keys.leases, keys.outbox),
                prediction.id,
                *parts,
            )
            for prediction in predictions
        ]

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
        return _call(
            self._scripts.transition,
            (keys.record(prediction_id), keys.log(prediction_id), keys.leases, keys.outstanding, keys.outbox),
            prediction_id,
            events.encode(ending),
            "" if change.attempt is None else change.attempt,
            worker,
            str(change.fields["status"]),
            1 if change.final else 0,
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

    def announce(self, model: str, card: bytes, *, worker: str, lease: float) -> Command:
        """Publish the card and the worker's presence."""
        keys = (self._keys.cards, self._keys.presence)
        return _call(self._scripts.announce, keys, model, card, f"{model} {worker}", _milliseconds(lease))

    def cards(self) -> Command:
        """The cards, and who is present."""
        return _call(self._scripts.cards, (self._keys.cards, self._keys.presence))

    def _create(self, prediction: Prediction, at: float, *arguments: Part) -> Command:
        keys = self._keys
        prediction_id, account = prediction.id, prediction.account
        return _call(
            self._scripts.create,
            (keys.record(prediction_id), keys.log(prediction_id), keys.account(account), keys.outstanding, keys.outbox),
            prediction_id,
            wire.encode(prediction),
            _WAITS,
            prediction.attempt,
            prediction.charged,
            events.encode(Queued(at=at)),
            f"{prediction.model} {account}",
            *arguments,
        )


def _call(script: Script, keys: tuple[str, ...], *arguments: Part) -> Command:
    return ("EVALSHA", script.digest, len(keys), *keys, *arguments)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _around(event: Started | Reset, *names: bytes) -> list[bytes]:
    """The parts of the encoded event between which these numbers belong, which are 0 in it.

    Nobody's text stands before them: the worker's name follows the attempt, and the reason is ours.
    """
    parts, rest = [], events.encode(event)
    for name in names:
        before, _, rest = rest.partition(name + b"0")
        parts.append(before + name)
    return [*parts, rest]
