from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from leveret.core import lifecycle, webhooks
from leveret.core.events import (
    Canceled,
    Entry,
    Event,
    Failed,
    Logs,
    Output,
    Progress,
    Queued,
    Reset,
    Started,
    Succeeded,
)
from leveret.core.prediction import HookEvent, Prediction, Status, Webhook
from leveret.core.webhooks import DELAYS, LONGEST_WISH, Again, Fresh, News, Notice, first_notice
from leveret.errors import Undecodable

SUBMITTED = Prediction(id="p1", model="local/m", input=Raw(b"{}"), created_at=1.0, webhook=Webhook("https://x.example"))
QUEUED, STARTED = Queued(at=1.0), Started(at=2.0, attempt=1, worker="w")
OUTPUT, LOGS = Output(at=3.0, attempt=1, chunks=[Raw(b'"a"')]), Logs(at=3.0, attempt=1, text="a")
PROGRESS = Progress(at=3.0, attempt=1, fraction=0.5)
RESET = Reset(at=4.0, attempt=1, reason="it crashed", charged=1)
AGAIN = Started(at=5.0, attempt=2, worker="w")
STREAMED, RETURNED = Succeeded(at=6.0, attempt=1), Succeeded(at=6.0, attempt=1, output=Raw(b"1"))
ENDS: list[Event] = [STREAMED, RETURNED, Failed(at=6.0, attempt=1, error="no"), Canceled(at=6.0, attempt=1)]


def news(*happened: Event, told: int = 0, events: str = "start output logs completed") -> News:
    heeded = tuple(HookEvent(event) for event in events.split())
    submitted = replace(SUBMITTED, webhook=Webhook("https://x.example", heeded))
    entries = [Entry(number, event) for number, event in enumerate(happened, 1)]
    return News(prediction=lifecycle.fold(submitted, happened), told=told, entries=entries[told:])


def told_of(*happened: Event, events: str = "start output logs completed") -> list[tuple[str, int]]:
    """All notices, each with its number, if nothing else happens."""
    found: list[tuple[str, int]] = []
    told = 0
    while (notice := first_notice(news(*happened, told=told, events=events))) is not None:
        found.append((notice.event, notice.number))
        told = notice.number
    return found


def test_what_waits_is_nothing_to_tell() -> None:
    assert [] == told_of(QUEUED)


@pytest.mark.parametrize("end", ENDS)
def test_a_start_and_an_end_are_told_in_their_order(end: Event) -> None:
    assert [("start", 2), ("completed", 3)] == told_of(QUEUED, STARTED, end)


def test_of_output_and_logs_only_the_latest_state_is_told() -> None:
    assert [("start", 2), ("output", 5)] == told_of(QUEUED, STARTED, OUTPUT, LOGS, OUTPUT, PROGRESS)
    assert [("start", 2), ("logs", 4)] == told_of(QUEUED, STARTED, OUTPUT, LOGS)


def test_an_end_makes_the_updates_before_it_superfluous() -> None:
    assert [("start", 2), ("completed", 4)] == told_of(QUEUED, STARTED, OUTPUT, STREAMED)


def test_the_last_update_is_told_when_the_end_is_not() -> None:
    assert [("start", 2), ("output", 4)] == told_of(QUEUED, STARTED, LOGS, OUTPUT, STREAMED, events="start output")


def test_what_a_model_returns_is_its_output() -> None:
    assert [("output", 3)] == told_of(QUEUED, STARTED, RETURNED, events="output")
    assert [] == told_of(QUEUED, STARTED, STREAMED, events="output")
    assert [] == told_of(QUEUED, STARTED, RETURNED, events="logs")


def test_every_run_is_told_of_and_what_a_lost_one_said_is_not() -> None:
    assert [("start", 2), ("start", 5)] == told_of(QUEUED, STARTED, OUTPUT, RESET, AGAIN)
    assert [("start", 2)] == told_of(QUEUED, STARTED, OUTPUT, RESET)


def test_what_is_not_heeded_is_not_told() -> None:
    assert [("completed", 5)] == told_of(QUEUED, STARTED, OUTPUT, LOGS, STREAMED, events="completed")
    assert [("logs", 4)] == told_of(QUEUED, STARTED, OUTPUT, LOGS, OUTPUT, events="logs")[:1]
    assert [] == told_of(QUEUED, STARTED, OUTPUT, STREAMED, events="")


def test_a_prediction_without_a_webhook_tells_nothing() -> None:
    without = news(QUEUED, STARTED)

    assert first_notice(replace(without, prediction=replace(without.prediction, webhook=None))) is None


def test_the_same_news_make_the_same_notice_and_other_ones_another() -> None:
    happened: Sequence[Event] = [QUEUED, STARTED, OUTPUT]

    first, again = first_notice(news(*happened)), first_notice(news(*happened))
    later = first_notice(news(*happened, told=2))

    assert first is not None
    assert first == again
    assert later is not None
    assert "msg_p1_2" == first.webhook_id != later.webhook_id


def test_whatever_makes_a_notice_is_heeded() -> None:
    for events in ("start", "output", "logs", "completed"):
        for event in [QUEUED, STARTED, OUTPUT, LOGS, PROGRESS, *ENDS]:
            history = [QUEUED] if event is STARTED else [QUEUED, STARTED]
            found = news(*history, event, told=len(history), events=events) if event is not QUEUED else news(QUEUED)

            assert first_notice(found) is None or webhooks.heeds(events.split(), type(event))


def test_a_start_shows_the_prediction_as_that_run_began() -> None:
    later = news(QUEUED, STARTED, OUTPUT, LOGS, STREAMED)
    notice = first_notice(later)
    assert notice is not None

    seen = webhooks.shown(later.prediction, notice)

    assert (Status.PROCESSING, 1, 2.0, Raw(b"null"), "") == (
        seen.status,
        seen.attempt,
        seen.started_at,
        seen.output,
        seen.logs,
    )


def test_the_start_of_a_second_run_shows_that_one() -> None:
    later = news(QUEUED, STARTED, RESET, AGAIN, told=3)
    notice = first_notice(later)
    assert notice is not None

    assert (2, 5.0) == ((seen := webhooks.shown(later.prediction, notice)).attempt, seen.started_at)


def test_everything_else_shows_it_as_it_is() -> None:
    later = news(QUEUED, STARTED, OUTPUT, told=2)
    notice = first_notice(later)
    assert notice is not None

    assert later.prediction == webhooks.shown(later.prediction, notice)


def test_what_is_demanded_shows_it_as_it_is_and_says_whether_it_has_ended() -> None:
    running, ended = news(QUEUED, STARTED).prediction, news(QUEUED, STARTED, STREAMED).prediction

    assert HookEvent.OUTPUT == webhooks.demanded(running, "msg_1").event
    assert HookEvent.COMPLETED == webhooks.demanded(ended, "msg_1").event
    assert ended == webhooks.shown(ended, webhooks.demanded(ended, "msg_1"))


@given(attempt=st.integers(1, 100), jitter=st.floats(0, 1))
def test_each_delay_is_near_its_plan(attempt: int, jitter: float) -> None:
    planned = DELAYS[min(attempt, len(DELAYS)) - 1]

    assert 0.79 * planned < webhooks.delay(attempt, jitter=jitter) < 1.21 * planned


def test_eight_calls_take_a_bit_over_a_day() -> None:
    assert 24 * 3600 < sum(DELAYS[:7]) < 26 * 3600


@pytest.mark.parametrize(("wish", "expected"), [(0, 5), (-5, 5), (90, 90), (10**9, LONGEST_WISH)])
def test_a_receiver_may_ask_for_a_longer_delay_within_bounds(wish: float, expected: float) -> None:
    assert expected == webhooks.delay(1, jitter=0.5, wish=wish)


def test_an_errand_gives_back_what_was_sent() -> None:
    notice = Notice(prediction_id="p1", event=HookEvent.START, number=2, webhook_id="msg_p1_2", started=STARTED)

    for errand in (Fresh("p1"), Again(notice), Again(notice, attempt=3, due=1.7e9, demanded=True)):
        assert errand == webhooks.decode(webhooks.encode(errand))
        assert "p1" == errand.prediction_id


@pytest.mark.parametrize("body", [b"", b"\xff", b"{}", b'{"type":"other"}', b"[" * 100_000, b'{"type":"fresh","x":1}'])
def test_what_is_no_errand_is_refused(body: bytes) -> None:
    with pytest.raises(Undecodable):
        webhooks.decode(body)
