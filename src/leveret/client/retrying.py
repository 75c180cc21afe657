"""Retrying: whether, and after which pause, a request that has failed is sent again."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Final

from leveret.client.exchange import Answer, Reply, Request
from leveret.core import retry

FIRST: Final = 0.2
"""The bound of the first pause, in seconds; it doubles."""

LONGEST: Final = 5.0
"""The longest bound, in seconds."""

BUSY: Final = 429
"""The status of a request that was not looked at."""

AWAY: Final = frozenset({502, 503, 504})
"""The statuses of what may be there again soon. What was asked for may have been done all the same."""


def pause(request: Request, reply: Reply, *, failures: int, jitter: float) -> float | None:
    """How long to wait before the request is sent again, in seconds; None if this reply is the last word.

    `failures` of its tries have failed before this one; `jitter`, at random from 0 to 1, keeps clients apart. What
    may not arrive twice is only repeated if it has not arrived.
    """
    if not _again(request, reply):
        return None
    asked = _retry_after(reply) if isinstance(reply, Answer) else 0.0
    return asked + retry.pause(failures, first=FIRST, longest=LONGEST, jitter=jitter)


def _again(request: Request, reply: Reply) -> bool:
    if isinstance(reply, Answer):
        return reply.status == BUSY or (reply.status in AWAY and request.repeatable)
    return request.repeatable or not reply.sent


def _retry_after(answer: Answer) -> float:
    """The seconds that `Retry-After` asks for. A date is counted from the answer's own, whatever our clock says."""
    given = answer.headers.get("retry-after", "")
    if given.isascii() and given.isdecimal():
        return float(given)
    try:
        until, now = parsedate_to_datetime(given), parsedate_to_datetime(answer.headers.get("date", ""))
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return 0.0
