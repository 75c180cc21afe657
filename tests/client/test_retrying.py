"""What is tried again, and after how long."""

from __future__ import annotations

import pytest

from leveret.client.exchange import Answer, Lost, Reply, Request
from leveret.client.retrying import LONGEST, pause

SAFE = Request(method="GET", path="/")
ONCE = Request(method="POST", path="/", repeatable=False)


def answered(status: int, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


@pytest.mark.parametrize(
    ("reply", "safe", "once"),
    [
        (Lost("broken"), True, False),
        (Lost("refused", sent=False), True, True),
        (answered(429), True, True),
        (answered(502), True, False),
        (answered(503), True, False),
        (answered(504), True, False),
        (answered(500), False, False),
        (answered(409), False, False),
        (answered(404), False, False),
        (answered(301), False, False),
    ],
)
def test_only_what_may_help_and_does_no_harm_is_tried_again(reply: Reply, safe: bool, once: bool) -> None:
    again = [pause(request, reply, failures=0, jitter=0.5) is not None for request in (SAFE, ONCE)]

    assert [safe, once] == again


def test_the_pauses_double_up_to_a_bound_and_are_at_random_below_it() -> None:
    pauses = [pause(SAFE, Lost("broken"), failures=failures, jitter=1.0) for failures in range(8)]

    assert [0.2, 0.4, 0.8, 1.6, 3.2, LONGEST, LONGEST, LONGEST] == pauses
    assert 0.0 == pause(SAFE, Lost("broken"), failures=5, jitter=0.0)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:05 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 5.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:05 GMT", "date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 0.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:05 GMT"}, 0.0),
        ({"retry_after": "soon"}, 0.0),
        ({"retry_after": f"Wed, 21 Oct 2026 {'9' * 20}:00:00 GMT"}, 0.0),
        ({}, 0.0),
    ],
)
def test_a_gateway_says_how_long_to_wait_at_least(headers: dict[str, str], seconds: float) -> None:
    assert seconds == pause(SAFE, answered(503, **headers), failures=0, jitter=0.0)
