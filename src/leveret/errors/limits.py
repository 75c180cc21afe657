"""What is more than somebody may ask for now. `retry_after` is in how many seconds to try again."""

from __future__ import annotations

from leveret.errors.root import LeveretError


class LimitReached(LeveretError):
    """The account has asked for as much as it may for now."""

    code = "limit_reached"
    status = 429
    message = "the account has asked for as much as it may for now; try again in {retry_after:.1f} s"


class RateExceeded(LimitReached):
    """The account creates predictions faster than it may."""

    code = "rate_exceeded"
    message = "this account may create {rate:g} predictions per second; try again in {retry_after:.1f} s"


class TooManyQueued(LimitReached):
    """As many predictions of the account wait as may."""

    code = "too_many_queued"
    message = (
        "{queued} predictions of this account wait, as many as may; try again in {retry_after:.1f} s, or cancel some"
    )
