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
from leveret.core.events import Ending, Failed, Logs, Output, Queued, Report, Reset, Started, Succeeded
from leveret.core.letters import DeadLetter
from leveret.core.limits import Allowance
from leveret.core.once import Once
from leveret.core.ports import Running
from leveret.core.prediction import EMPTY, Prediction
from leveret.core.retention import Retention
from leveret.core.retry import LOST_WORKER, TOLERANCE
from leveret.core.webhooks import heeds

(_WAITS,) = lifecycle.ALLOWED[Started]
(_RUNS,) = lifecycle.ALLOWED[Output]
_ATTEMPT: Final = b'"attempt":'
_CHARGED: Final = b'"charged":'
_DATA: Final = ("output", "output_blob", "live", "retention")
"""The fields that go with the data of a record."""


class Commands:
    """Makes the commands; the scripts know nothing of the lifecycle but what they are told here."""

    def __init__(self, *, keys: Keys, scripts: Scripts, retention: Retention | None = None) -> None:
        self._keys = keys
        self._scripts = scripts
        self._retention = retention or Retention()

    def create(
        self, prediction: Prediction, *, at: float, once: Once | None = None, within: Allowance | None = None
    ) -> Command:
        """Record it, unless it is sent again; the script chooses its lane."""
        return self._create(
            prediction, at=at, lane="", created=int(prediction.created_at * 1000), once=once, within=within
        )

    def missed(self, prediction: Prediction, once: Once) -> Command:
        """Remember that its answer was missed."""
        key = self._keys.once(prediction.account, once)
        return _call(self._scripts.missed, (key,), prediction.id, _milliseconds(once.lifetime))

    def lead(self, prediction_id: str, key: str, *, lifetime: float, instead: str) -> Command:
        """Lead the predictions with this key, unless another one does."""
        keys = (self._keys.leader(key), self._keys.waiting)
        return _call(self._scripts.lead, keys, prediction_id, _milliseconds(lifetime), instead)

    def rebuild(self, message: Prediction, *, at: float) -> Command:
        """Record it as its message says, which is in its queue already."""
        return self._create(message, at=at, lane=message.lane, created="")

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
        sets = (keys.leases, keys.outstanding, keys.outbox, keys.waiting, keys.deadlines)
        return _call(
            self._scripts.transition,
            (
                *self._of(prediction_id),
                *sets,
                keys.unreplied,
                keys.expiry,
                keys.lines,
                keys.usage,
                *(self._letter(prediction_id) if dies else ()),
            ),
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

    def remove(self, prediction: Prediction, *, at: float) -> Command:
        """Remove its data; the record stays as long as it should, counted from its end."""
        if not self._retention.record:
            return self._remove(prediction, "", "")
        return self._remove(prediction, _milliseconds(self._retention.remaining(prediction, at=at)), "")

    def delete(self, prediction: Prediction) -> Command:
        """Remove everything but a stub."""
        return self._remove(prediction, _milliseconds(self._retention.stub), 1)

    def forget(self, prediction: Prediction) -> Command:
        """Remove its record."""
        return _call(self._scripts.forget, self._lists(prediction), prediction.id)

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
        places = (self._keys.leases, self._keys.outbox, self._keys.waiting, self._keys.lines, self._keys.usage)
        keys = (*self._of(prediction.id), *places)
        if not deadlines.bounded(prediction):
            return _call(self._scripts.claim, keys, prediction.id, prediction.model, *parts)
        limits = [_moment(deadlines.due(replace(prediction, attempt=0))), _moment(prediction.deadline)]
        bounded = (*keys, self._keys.deadlines)
        return _call(self._scripts.claim, bounded, prediction.id, prediction.model, *parts, *limits)

    def bury(self, letter: DeadLetter) -> Command:
        """Keep it, unless there is one with its id."""
        prediction = letter.prediction
        model = "" if prediction is None else prediction.model
        failure = events.encode(letter.failure)
        return _call(self._scripts.bury, self._letter(letter.id), letter.id, model, letter.body, failure)

    def discard(self, letter_id: str) -> Command:
        """Forget it."""
        return _call(self._scripts.discard, self._letter(letter_id), letter_id)

    def sent(self, prediction_id: str, *, hold: float) -> Command:
        """Hold its news for longer."""
        return _call(self._scripts.sent, (self._keys.hooks,), prediction_id, _milliseconds(hold))

    def news(self, prediction_id: str) -> Command:
        """Look at its record and its log."""
        return _call(self._scripts.news, self._of(prediction_id))

    def called(self, prediction_id: str, call: bytes, kept: int, *, told: int, update: bool) -> Command:
        """Remember a call of its webhook."""
        keys = (self._keys.record(prediction_id), self._keys.calls(prediction_id))
        return _call(self._scripts.called, keys, call, kept, told, 1 if update else 0)

    def rest(self, prediction_id: str, *, told: int) -> Command:
        """It has no news, unless more has happened."""
        return _call(self._scripts.rest, (*self._of(prediction_id), self._keys.hooks), prediction_id, told)

    def silence(self, prediction_id: str) -> Command:
        """It never has news again."""
        return _call(self._scripts.silence, (self._keys.record(prediction_id), self._keys.hooks), prediction_id)

    def secret(self, account: str, fresh: str) -> Command:
        """The secret of an account."""
        return _call(self._scripts.secret, (self._keys.hook_secrets,), account, fresh)

    def _letter(self, letter_id: str) -> tuple[str, str, str]:
        return self._keys.letter(letter_id), self._keys.dead, self._keys.dead_models

    def _create(
        self,
        prediction: Prediction,
        *,
        at: float,
        lane: Part,
        created: Part,
        once: Once | None = None,
        within: Allowance | None = None,
    ) -> Command:
        account, retention = prediction.account, prediction.retention or self._retention.data
        places = (self._keys.outstanding, self._keys.outbox, self._keys.lines)
        keys = [*self._of(prediction.id), self._keys.account(account), *places, self._keys.deadlines, self._keys.usage]
        return _call(
            self._scripts.create,
            (*keys, *([] if once is None else [self._keys.once(account, once)])),
            prediction.id,
            wire.encode(prediction),
            _WAITS,
            prediction.attempt,
            prediction.charged,
            events.encode(Queued(at=at)),
            f"{prediction.model} {account}",
            lane,
            created,
            _moment(deadlines.due(prediction)),
            *(("", "", "") if once is None else (once.sent, once.fingerprint, _milliseconds(once.lifetime))),
            _milliseconds(retention) if retention else "",
            "" if prediction.reply_to is None else 1,
            *_limits(within),
            *self._hook(prediction),
            *lanes.thresholds(prediction.priority),
        )

    def _hook(self, prediction: Prediction) -> list[Part]:
        """How many fields a webhook adds to the record, and they.

        They name the key in which a prediction with news is to be marked, each for one kind of change: so no other
        prediction pays for that, and no script needs the key.
        """
        if prediction.webhook is None:
            return [0]
        marked = {
            "on_start": (Started,),
            "on_report": (Output, Logs),
            "on_end": (Succeeded,),
        }
        heeded = prediction.webhook.events
        fields: list[Part] = ["told", 0]
        for name, kinds in marked.items():
            if any(heeds(heeded, kind) for kind in kinds):
                fields += (name, self._keys.hooks)
        return [len(fields) // 2, *fields]

    def _remove(self, prediction: Prediction, rest: Part, hidden: Part) -> Command:
        spec = wire.encode(replace(prediction, input=EMPTY))
        letter = self._letter(prediction.id)
        return _call(
            self._scripts.remove, (*self._lists(prediction), *letter), prediction.id, spec, rest, hidden, *_DATA
        )

    def _lists(self, prediction: Prediction) -> tuple[str, ...]:
        """It and where it stands when it has ended."""
        keys = self._keys
        account, calls = keys.account(prediction.account), keys.calls(prediction.id)
        return (*self._of(prediction.id), keys.expiry, account, keys.unreplied, keys.hooks, calls)

    def _of(self, prediction_id: str) -> tuple[str, str]:
        return self._keys.record(prediction_id), self._keys.log(prediction_id)


def _limits(within: Allowance | None) -> tuple[Part, Part, Part, Part]:
    """The rate, the size of its bucket, how many may wait and how many may run; '' is no limit."""
    if within is None:
        return "", "", "", ""
    return repr(within.rate) if within.rate else "", repr(within.bucket), within.queued or "", within.running or ""


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
