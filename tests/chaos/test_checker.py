"""The checker accepts a good history and rejects every bad one."""

from __future__ import annotations

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.core.events import Canceled, Event, Failed, Output, Queued, Reset, Started, Succeeded
from leveret.core.prediction import Means, Status
from tests.chaos.checker import violations
from tests.chaos.history import Accepted, History, Kept, Observation, Polled, Ran, Refused, Remains, Seen

MODEL = "local/square"
LOG: list[Event] = [
    Queued(1.0),
    Started(2.0, 1, "w1"),
    Reset(3.0, 1, "its worker was lost", charged=1),
    Started(3.0, 2, "w2"),
    Succeeded(4.0, 2, Raw(b"9")),
]
CANCELED: list[Event] = [Queued(1.0), Canceled(2.0, stopped=Means.NOT_BEGUN)]
ACCEPTED = Accepted(1.0, "a", MODEL, 9)
RUNS = [Ran(2.0, "a", 1, 10), Ran(3.0, "a", 2, 11), Ran(4.0, "a", 2, 11, ended=True)]
KEPT = Kept("a", MODEL, Status.SUCCEEDED, 2, LOG, 9)
REMAINS = Remains(quiet=True, queues={"leveret.retry.900": 1})
GOOD: list[Observation] = [
    ACCEPTED,
    *RUNS,
    Polled(1.1, 1.2, "get", "a", Status.STARTING, 0),
    Polled(2.1, 2.2, "get", "a", Status.PROCESSING, 1),
    Polled(3.1, 3.2, "cancel", "a", Status.PROCESSING, 2),
    Polled(3.0, 3.3, "get", "a", Status.STARTING, 1),  # asked before the one above was answered
    Polled(4.1, 4.2, "get", "a", Status.SUCCEEDED, 2, 9),
    *[Seen(4.0, "a", 1, number, event) for number, event in enumerate(LOG, 1)],
    Refused(1.0, "submit", 503),
    Refused(1.0, "submit", 404),
    Refused(1.0, "get", 0),
    KEPT,
    Accepted(1.0, "b", MODEL, 16),
    Polled(2.0, 2.1, "cancel", "b", Status.CANCELED, 0),
    Kept("b", MODEL, Status.CANCELED, 0, CANCELED),
    REMAINS,
]


def altered(old: Observation, *new: Observation) -> History:
    """The good history with this in the place of that."""
    place = GOOD.index(old)
    return History(*GOOD[:place], *new, *GOOD[place + 1 :])


def also(*more: Observation) -> History:
    return History(*GOOD, *more)


def kept(*log: Event, status: Status = Status.SUCCEEDED, attempt: int = 2) -> History:
    """The good history with another record of the prediction, and nobody who has streamed it."""
    without = [one for one in GOOD if not isinstance(one, Seen) and one != KEPT]
    return History(*without, replace(KEPT, status=status, attempt=attempt, log=list(log)))


def test_a_good_history_has_no_violations() -> None:
    assert [] == violations(History(*GOOD))


@pytest.mark.parametrize(
    ("history", "complaint"),
    [
        (altered(KEPT), "is not kept"),
        (also(ACCEPTED), "was given to 2 submissions"),
        (kept(*LOG[:4], status=Status.PROCESSING), "is stuck: it is processing"),
        (kept(LOG[0], status=Status.STARTING, attempt=0), "is stuck: it is starting"),
        (kept(*LOG, LOG[-1]), "has ended 2 times"),
        (kept(*LOG, Failed(5.0, "no")), "has ended 2 times"),
        (kept(*LOG[:4]), "has ended 0 times"),
        (kept(*LOG[:3], Started(3.0, 1, "w2"), Succeeded(4.0, 1, Raw(b"9"))), "has the attempts [1, 1]"),
        (kept(*LOG[:2], *LOG[3:]), "impossible log"),
        (kept(*LOG[:4], Output(3.5, 1, [Raw(b"1")]), LOG[4]), "impossible log"),
        (kept(*LOG[:4], Succeeded(4.0, 2, Raw(b"8"))), "its log says otherwise"),
        (kept(*LOG[:4], Failed(4.0, "no", 2), status=Status.FAILED), "was accepted and has failed"),
        (
            kept(*LOG[:4], Failed(4.0, "killed by signal 9", 2), status=Status.FAILED),
            "was accepted and has failed: None",
        ),
        (altered(ACCEPTED, replace(ACCEPTED, expected=8)), "has the output 9 instead of 8"),
        (also(Polled(3.3, 3.4, "get", "a", Status.PROCESSING, 1)), "seen processing (attempt 2)"),
        (also(Polled(2.3, 2.4, "get", "a", Status.STARTING, 0)), "seen processing (attempt 1)"),
        (also(Polled(5.0, 5.1, "get", "a", Status.PROCESSING, 2)), "seen succeeded (attempt 2)"),
        (also(Polled(5.0, 5.1, "get", "a", Status.SUCCEEDED, 2, 8)), "was seen succeeded (8)"),
        (also(Polled(1.0, 1.1, "get", "a", Status.CANCELED, 0)), "was seen canceled"),
        (also(Seen(5.0, "a", 2, 1, LOG[0]), Seen(5.0, "a", 2, 3, LOG[2])), "with the numbers [1, 3]"),
        (also(Seen(5.0, "a", 2, 1, LOG[0]), Seen(5.0, "a", 2, 1, LOG[0])), "with the numbers [1, 1]"),
        (also(Seen(5.0, "a", 2, 2, Started(2.0, 1, "w9"))), "was streamed number 2"),
        (also(Seen(5.0, "a", 2, 6, LOG[-1])), "was streamed number 6"),
        (also(RUNS[0]), "was run 2 times as attempt 1"),
        (also(Ran(2.0, "a", 3, 10)), "was run as attempt 3"),
        (also(Ran(2.0, "b", 1, 10)), "was run as attempt 1"),
        (altered(RUNS[2]), "no model has run to its end"),
        (also(Polled(3.0, 3.5, "cancel", "a", Status.CANCELED, 2)), "was canceled and has succeeded"),
        (also(Refused(1.0, "get", 404)), "to get was answered with 404"),
        (also(Refused(1.0, "submit", 500)), "to submit was answered with 500"),
        (altered(REMAINS), "nobody has looked"),
        (altered(REMAINS, replace(REMAINS, quiet=False)), "did not become quiet"),
        (altered(REMAINS, replace(REMAINS, outstanding=1)), "1 left over as outstanding"),
        (altered(REMAINS, replace(REMAINS, outbox=2)), "2 left over as outbox"),
        (altered(REMAINS, replace(REMAINS, waiting=2)), "2 left over as waiting"),
        (altered(REMAINS, replace(REMAINS, leases=3)), "3 left over as leases"),
        (altered(REMAINS, replace(REMAINS, queues={"leveret.local.square.0": 1})), "1 messages left over"),
        (altered(REMAINS, replace(REMAINS, queues={"leveret.dead": 1})), "1 messages left over"),
        (altered(REMAINS, replace(REMAINS, unfinished=["a"])), "which have not ended"),
    ],
)
def test_what_is_wrong_is_found(history: History, complaint: str) -> None:
    found = violations(history)

    assert any(complaint in one for one in found), found
