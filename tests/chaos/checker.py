"""The checker: what is wrong with a history. Pure, so that it can be shown bad ones, each of which it must reject.

1. Every accepted prediction is kept and has ended, once; nothing has failed but what was killed again and again.
2. Nobody has seen a prediction go backwards, in its states or in its events.
3. No two runs share an attempt, no run was executed without one, and every success is the right one.
4. The store has nothing left to do, 5. nor has the broker.
6. What a cancel was answered to be canceled stays so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from msgspec import Raw

from leveret.core import lifecycle
from leveret.core.events import Entry, Event, Started, Succeeded, name
from leveret.core.prediction import Prediction, Status
from leveret.errors import IllegalTransition
from tests.chaos.history import Accepted, History, Kept, Polled, Ran, Refused, Remains, Seen, output

ALLOWED_REFUSALS = {0, 404, 429, 503}
"""No connection; a gateway that has just started and knows no model; something that is needed is away."""

KILLED = "killed by signal 9"
"""What the error says of a prediction whose model processes have been killed."""

T = TypeVar("T", Polled, Seen, Ran)


def violations(history: History) -> list[str]:
    """Everything that is wrong, a sentence each; empty when all is well."""
    return [
        *_lost(history),
        *_badly_ended(history),
        *_backwards(history),
        *_streams(history),
        *_doubly_run(history),
        *_remains(history),
        *_uncanceled(history),
        *_refusals(history),
    ]


def _lost(history: History) -> Iterator[str]:
    """Accepted, and there is no record, or it has not ended."""
    kept = {one.id: one for one in history.of(Kept)}
    times = Counter(one.id for one in history.of(Accepted))
    for accepted in history.of(Accepted):
        if times[accepted.id] > 1:
            yield f"{accepted.id} was given to {times[accepted.id]} submissions"
        if accepted.id not in kept:
            yield f"{accepted.id} was accepted and is not kept"
    for one in kept.values():
        if not one.status.terminal:
            yield f"{one.id} is stuck: it is {one.status}, attempt {one.attempt}"


def _badly_ended(history: History) -> Iterator[str]:
    """The log is not one that the lifecycle allows, does not end once, or not as it should."""
    accepted = {one.id: one for one in history.of(Accepted)}
    # What was killed in the middle of it more than once may rightly be blamed for it.
    broken_off = Counter[str]()
    for run in history.of(Ran):
        broken_off[run.id] += -1 if run.ended else 1
    for one in history.of(Kept):
        yield from _bad_log(one)
        submitted = accepted.get(one.id)
        if submitted is None:
            continue
        if one.status is Status.FAILED and not (KILLED in str(one.error) and broken_off[one.id] >= 2):
            yield f"{one.id} was accepted and has failed: {one.error}"
        if one.status is Status.SUCCEEDED and one.output != submitted.expected:
            yield f"{one.id} has the output {one.output!r} instead of {submitted.expected!r}"


def _bad_log(one: Kept) -> Iterator[str]:
    finals = [place for place, event in enumerate(one.log, 1) if Entry(place, event).final]
    if one.status.terminal and finals != [len(one.log)]:
        yield f"{one.id} has ended {len(finals)} times: {_kinds(one.log)}"
    attempts = [event.attempt for event in one.log if isinstance(event, Started)]
    if any(later <= earlier for earlier, later in pairwise(attempts)):
        yield f"{one.id} has the attempts {attempts}"
    try:
        made = lifecycle.fold(Prediction(id=one.id, model=one.model, input=Raw(b"{}"), created_at=0.0), one.log)
    except IllegalTransition as error:
        yield f"{one.id} has an impossible log ({error}): {_kinds(one.log)}"
        return
    if (made.status, made.attempt, output(made.output)) != (one.status, one.attempt, one.output):
        yield f"{one.id} is {one.status}, attempt {one.attempt}, output {one.output!r}, and its log says otherwise"


def _backwards(history: History) -> Iterator[str]:
    """Who asked after somebody else was answered is answered the same or something later."""
    ended = {one.id: one for one in history.of(Kept)}
    for prediction_id, polled in _grouped(history.of(Polled)).items():
        by_answer, by_question = sorted(polled, key=lambda one: one.at), sorted(polled, key=lambda one: one.asked)
        known: Polled | None = None
        answered = iter(by_answer)
        following = next(answered, None)
        for one in by_question:
            while following is not None and following.at < one.asked:
                known = following if known is None or _place(following) >= _place(known) else known
                following = next(answered, None)
            if known is not None and _contradicts(known, one):
                yield (
                    f"{prediction_id} was seen {known.status} (attempt {known.attempt}) by {known.by}"
                    f" and later {one.status} (attempt {one.attempt}) by {one.by}"
                )
        last = ended.get(prediction_id)
        for one in polled:
            if one.status.terminal and last is not None and (one.status, one.output) != (last.status, last.output):
                yield f"{prediction_id} was seen {one.status} ({one.output!r}) and is {last.status} ({last.output!r})"


def _place(one: Polled) -> float:
    """A number that grows with each step: starting 0, processing 1, starting again 2 and so on; ended: the most."""
    if one.status.terminal:
        return float("inf")
    return 2.0 * one.attempt - (one.status is Status.PROCESSING)


def _contradicts(earlier: Polled, later: Polled) -> bool:
    if earlier.status.terminal:
        return (earlier.status, earlier.output) != (later.status, later.output)
    return _place(later) < _place(earlier)


def _streams(history: History) -> Iterator[str]:
    """Numbers without gaps, each with the one event that the log has under it."""
    logs = {one.id: one.log for one in history.of(Kept)}
    for prediction_id, seen in _grouped(history.of(Seen)).items():
        log = logs.get(prediction_id, [])
        for number in {one.stream for one in seen}:
            numbers = [one.number for one in seen if one.stream == number]
            if any(later != earlier + 1 for earlier, later in pairwise(numbers)):
                yield f"{prediction_id} was streamed with the numbers {numbers}"
        for one in seen:
            if one.number > len(log) or log[one.number - 1] != one.event:
                yield f"{prediction_id} was streamed number {one.number} as {one.event}, and its log says otherwise"


def _doubly_run(history: History) -> Iterator[str]:
    """An attempt that was executed twice, or never claimed; a success that nobody has run."""
    begun = Counter((one.id, one.attempt) for one in history.of(Ran) if not one.ended)
    ended = {(one.id, one.attempt) for one in history.of(Ran) if one.ended}
    kept = {one.id: one for one in history.of(Kept)}
    for (prediction_id, attempt), times in begun.items():
        if times > 1:
            yield f"{prediction_id} was run {times} times as attempt {attempt}"
        one = kept.get(prediction_id)
        started = [event.attempt for event in one.log if isinstance(event, Started)] if one is not None else []
        if attempt not in started:
            yield f"{prediction_id} was run as attempt {attempt}, which its log does not know"
    for one in kept.values():
        last = one.log[-1] if one.log else None
        if isinstance(last, Succeeded) and (one.id, last.attempt) not in ended:
            yield f"{one.id} has succeeded by attempt {last.attempt}, which no model has run to its end"


def _remains(history: History) -> Iterator[str]:
    """The store still counts something, or a queue still holds something that nobody can explain."""
    for one in history.of(Remains):
        if not one.quiet:
            yield "it did not become quiet in time"
        for what in ("outstanding", "outbox", "waiting", "leases"):
            if getattr(one, what):
                yield f"the store has {getattr(one, what)} left over as {what}"
        for queue, count in one.queues.items():
            if ".retry." not in queue:
                yield f"the queue {queue} has {count} messages left over"
        if one.unfinished:
            yield f"on a rung wait {one.unfinished}, which have not ended"
    if not history.of(Remains):
        yield "nobody has looked at what remains"


def _uncanceled(history: History) -> Iterator[str]:
    """A cancel was answered, and that did not hold."""
    kept = {one.id: one for one in history.of(Kept)}
    for polled in history.of(Polled):
        if polled.by != "cancel" or polled.status is not Status.CANCELED:
            continue
        one = kept.get(polled.id)
        if one is not None and one.status is not Status.CANCELED:
            yield f"{polled.id} was canceled and has {one.status}"


def _refusals(history: History) -> Iterator[str]:
    for one in history.of(Refused):
        if one.code not in ALLOWED_REFUSALS or (one.code == 404 and one.what != "submit"):
            yield f"to {one.what} was answered with {one.code}: {one.text}"


def _grouped(observations: Iterable[T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = defaultdict(list)
    for one in observations:
        found[one.id].append(one)
    return found


def _kinds(log: Sequence[Event]) -> str:
    return " ".join(name(event) + (f"({event.reason})" if hasattr(event, "reason") else "") for event in log)
