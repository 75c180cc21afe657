"""The header Cancel-After: what it may say, and what it makes of a prediction, over HTTP."""

from __future__ import annotations

import re
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from leveret.core import wire
from leveret.core.deadlines import LONGEST, overdue
from leveret.core.prediction import Prediction
from leveret.errors import InvalidRequest
from leveret.gateway.cancel_after import PATTERN, seconds
from tests.gateway.served import ECHO, Gateway
from tests.worker.arrange import take_one

parts = st.integers(0, 100)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("30", 30), ("5", 5), ("90s", 90), ("5m", 300), ("2h", 7200), ("1h30m45s", 5445), ("1h45s", 3645), ("007", 7)],
)
def test_a_time_is_given_in_seconds_or_with_units(text: str, expected: float) -> None:
    assert expected == seconds([text])


@given(parts, parts, parts)
def test_units_add_up(h: int, m: int, s: int) -> None:
    total = h * 3600 + m * 60 + s
    text = f"{h}h{m}m{s}s"

    if total < 5:
        with pytest.raises(InvalidRequest):
            seconds([text])
    else:
        assert total == seconds([text])


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "4", "4s", "-5", "5.5", "5 s", "5S", "1m1h", "5s5s", "1h30", "5d", "s", "five", "inf", "nan", "٣٠"),
        *("5\n", "30, 60", "9" * 9, "9" * 10, "9" * 100_000, "999999999h"),
    ],
)
def test_anything_else_is_refused_and_says_what_may_be_given(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"Cancel-After .* 5 seconds to 366 days.* 90s"):
        seconds([text])


def test_without_the_header_there_is_no_limit() -> None:
    assert None is seconds([])


def test_two_headers_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        seconds(["30", "60"])


@given(st.text(max_size=20) | st.from_regex(PATTERN, fullmatch=True))
def test_what_is_taken_is_what_the_document_describes(text: str) -> None:
    try:
        taken = seconds([text])
    except InvalidRequest:
        return
    assert re.fullmatch(PATTERN, text)
    assert taken is not None
    assert 5 <= taken <= LONGEST


async def test_it_sets_both_deadlines_from_the_creation(gateway: Gateway) -> None:
    before = time.time()
    answer = await gateway.post(**{"Cancel-After": "1h30m"})

    record = await gateway.store.get(answer.json()["id"])
    assert 201 == answer.status_code
    assert record.created_at + 5400 == record.start_by == record.deadline
    assert before + 5400 <= record.start_by
    assert None is overdue(record, before + 5399)


@pytest.mark.parametrize("path", ["/v1/predictions", "/v1/models/local/echo/predictions"])
async def test_both_endpoints_show_it_and_send_it_to_the_worker(gateway: Gateway, path: str) -> None:
    body = {"version": "local/echo", "input": {"text": "x"}}

    answer = await gateway.client.post(path, json=body, headers={"cancel-after": "60"})

    shown = answer.json()
    assert shown["start_by"] == shown["deadline"]
    assert 60 == (moment(shown["deadline"]) - moment(shown["created_at"])).total_seconds()
    assert shown == (await gateway.client.get(f"/v1/predictions/{shown['id']}")).json()
    async with gateway.broker.consume("local/echo", ahead=1) as deliveries:
        delivered = (await take_one(deliveries)).prediction
    assert submitted(await gateway.store.get(shown["id"])) == delivered
    assert delivered.deadline is not None


async def test_a_bad_one_is_refused_and_leaves_no_trace(gateway: Gateway) -> None:
    answer = await gateway.post(**{"Cancel-After": "soon"})

    assert (422, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert "Cancel-After is 'soon'" in answer.json()["detail"]
    assert [] == (await gateway.client.get("/v1/predictions")).json()["results"]


async def test_without_it_there_is_no_deadline(gateway: Gateway) -> None:
    shown = (await gateway.post()).json()

    assert not {"deadline", "start_by"} & shown.keys()


@pytest.mark.parametrize(
    ("queue_timeout", "total_timeout", "header", "expected"),
    [
        (10.0, 20.0, None, (10.0, 20.0)),
        (10.0, None, None, (10.0, None)),
        (None, 20.0, None, (None, 20.0)),
        (10.0, 20.0, "15", (10.0, 15.0)),
        (10.0, 20.0, "5", (5.0, 5.0)),
        (10.0, 20.0, "30", (10.0, 20.0)),
        (None, 20.0, "30", (30.0, 20.0)),
    ],
)
async def test_of_the_header_and_the_models_own_timeouts_the_earlier_counts(
    gateway: Gateway,
    queue_timeout: float | None,
    total_timeout: float | None,
    header: str | None,
    expected: tuple[float | None, float | None],
) -> None:
    card = replace(ECHO, queue_timeout=queue_timeout, total_timeout=total_timeout)
    await gateway.store.announce(card, worker="w1", lease=60)
    await gateway.client.get("/v1/models/local/unheard")  # for which the catalog is renewed

    created = await gateway.create(**({} if header is None else {"Cancel-After": header}))

    record = await gateway.store.get(created)
    limits = [None if seconds is None else record.created_at + seconds for seconds in expected]
    assert limits == [record.start_by, record.deadline]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def submitted(record: Prediction) -> Prediction:
    return wire.decode(wire.encode(record))
