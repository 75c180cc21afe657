"""Webhooks: what a prediction's webhook is told, and when again if that fails.

A notice is a view of the prediction's log, as a stream is, but made for a reader that is called: of further output and
logs only the latest state is told. Its id follows from the prediction and its place in the log, so that whoever makes
it again after a crash makes the same one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from leveret.core import lifecycle, wire
from leveret.core.events import Canceled, Entry, Event, Failed, Logs, Output, Reset, Started, Succeeded
from leveret.core.prediction import HookEvent, Prediction
from leveret.errors import Undecodable

PAUSE: Final = 0.5
"""Seconds that lie between two notices of further output or logs, at the least."""

DELAYS: Final = (5.0, 60.0, 300.0, 1800.0, 7200.0, 21_600.0, 57_600.0)
"""Seconds before the second call of a notice, before the third, and so on; eight calls take a bit over a day."""

SPREAD: Final = 0.2
"""By how much of it a delay is changed at random, so that what has failed together does not come back together."""

LONGEST_WISH: Final = 3600.0
"""The longest delay that a receiver can ask for, in seconds."""

KEPT_CALLS: Final = 50
"""How many calls of a prediction's webhook are remembered."""

UPDATES: Final = frozenset({HookEvent.OUTPUT, HookEvent.LOGS})
"""The events of which only the latest state counts."""

_HEEDED: Final[Mapping[HookEvent, tuple[type[Event], ...]]] = {
    HookEvent.START: (Started,),
    HookEvent.OUTPUT: (Output, Succeeded),  # a model that does not stream puts everything out at its end
    HookEvent.LOGS: (Logs,),
    HookEvent.COMPLETED: (Succeeded, Failed, Canceled),
}


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a webhook is told once, however often it is called for it.

    `number` is the entry of the log that it is about. With `started` it shows the prediction as that run began, without
    it as it is when the webhook is called.
    """

    prediction_id: str
    event: HookEvent
    number: int
    webhook_id: str
    started: Started | None = None

    @property
    def update(self) -> bool:
        """Whether a newer notice makes it superfluous."""
        return self.event in UPDATES


class Fresh(Struct, frozen=True, tag="fresh", forbid_unknown_fields=True, omit_defaults=True):
    """An errand: something has happened to the prediction that its webhook is to be told.

    `failures` counts the calls in a row in which it could not be told of an update.
    """

    prediction_id: str
    failures: int = 0


class Again(Struct, frozen=True, tag="again", forbid_unknown_fields=True, omit_defaults=True):
    """An errand: call the webhook for this notice, as the call number `attempt`, not before `due` (Unix seconds).

    `demanded` says that somebody has asked for it: it is done even if the webhook wants no calls any more.
    """

    notice: Notice
    attempt: int = 1
    due: float = 0.0
    demanded: bool = False

    @property
    def prediction_id(self) -> str:
        """Whose webhook it is."""
        return self.notice.prediction_id


Errand: TypeAlias = Fresh | Again
"""What stands in the queue of webhooks."""


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call of a webhook: which one for its notice, how long it took, and the `status` it got or why it got none."""

    at: float
    event: HookEvent
    webhook_id: str
    attempt: int
    seconds: float
    status: int | None = None
    error: str | None = None


class News(Struct, frozen=True, kw_only=True):
    """A prediction and what its webhook has not been told: the entries behind number `told`.

    An update has to wait for `wait` seconds. `silenced`: the webhook wants no calls any more.
    """

    prediction: Prediction
    told: int
    entries: Sequence[Entry]
    wait: float = 0.0
    silenced: bool = False

    @property
    def length(self) -> int:
        """How many entries the log has."""
        return self.told + len(self.entries)


def heeds(events: Collection[str], kind: type[Event]) -> bool:
    """Whether such an event can be news to a webhook that is told of these."""
    return any(event in events and kind in kinds for event, kinds in _HEEDED.items())


def first_notice(news: News) -> Notice | None:
    """What is to be told first of the news; None: nothing. An update is the first one only if nothing else is left."""
    webhook = news.prediction.webhook
    if webhook is None:
        return None
    update: Notice | None = None
    for entry in news.entries:
        match entry.event:
            case Started() as started:
                update = None
                if HookEvent.START in webhook.events:
                    return _notice(news, HookEvent.START, entry.number, started)
            case Reset():
                update = None
            case event:
                found = _told_as(event, webhook.events)
                if found is HookEvent.COMPLETED:
                    return _notice(news, found, entry.number)
                if found is not None:
                    update = _notice(news, found, entry.number)
    return update


def shown(prediction: Prediction, notice: Notice) -> Prediction:
    """The prediction as the notice shows it."""
    if notice.started is None:
        return prediction
    waiting = replace(wire.submitted(prediction), attempt=notice.started.attempt - 1)
    return lifecycle.apply(waiting, notice.started)


def demanded(prediction: Prediction, webhook_id: str) -> Notice:
    """The notice that shows the prediction as it is, because somebody has asked for it."""
    event = HookEvent.COMPLETED if prediction.status.terminal else HookEvent.OUTPUT
    return Notice(prediction_id=prediction.id, event=event, number=0, webhook_id=webhook_id)


def delay(attempt: int, *, jitter: float, wish: float | None = None, plan: Sequence[float] = DELAYS) -> float:
    """Seconds from the failed call number `attempt` to the next; `jitter` is at random from 0 to 1.

    The last delay of the plan is that of all further calls. A receiver may wish for a longer one, within bounds.
    """
    planned = plan[min(attempt, len(plan)) - 1] * (1 + SPREAD * (2 * jitter - 1))
    return planned if wish is None else max(planned, min(wish, LONGEST_WISH))


def encode(errand: Errand) -> bytes:
    """The errand as it stands in the queue."""
    return _encoder.encode(errand)


def decode(body: bytes) -> Errand:
    """The errand in this message. Raises Undecodable."""
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(what="errand", reason=str(error)) from error


def _told_as(event: Event, events: Iterable[HookEvent]) -> HookEvent | None:
    """As what the webhook is told of it, if at all."""
    match event:
        case Output() if HookEvent.OUTPUT in events:
            return HookEvent.OUTPUT
        case Logs() if HookEvent.LOGS in events:
            return HookEvent.LOGS
        case Succeeded() | Failed() | Canceled() if HookEvent.COMPLETED in events:
            return HookEvent.COMPLETED
        case Succeeded(output=output, output_blob=blob) if HookEvent.OUTPUT in events:
            return None if output is UNSET and blob is None else HookEvent.OUTPUT
        case _:
            return None


def _notice(news: News, event: HookEvent, number: int, started: Started | None = None) -> Notice:
    prediction_id = news.prediction.id
    return Notice(
        prediction_id=prediction_id,
        event=event,
        number=number,
        webhook_id=f"msg_{prediction_id}_{number}",
        started=started,
    )


_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[Errand]] = msgspec.json.Decoder(Errand)
