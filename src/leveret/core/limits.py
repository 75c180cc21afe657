"""Limits: how much an account may ask for, and when what it may not now is worth trying again."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

SHORTEST: Final = 1.0
"""The least time after which what is over its account's running limit is looked at again, in seconds..."""

LONGEST: Final = 60.0
"""... and the most."""

STEP: Final = 1.0
"""By more than so many seconds no two clocks that keep time differ: one was set back."""


class Allowance(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an account may. None: what the settings say. 0: without a limit."""

    rate: Annotated[float, Meta(ge=0, le=1e6, description="predictions per second")] | None = None
    burst: Annotated[int, Meta(ge=0, le=1_000_000, description="predictions at once; 0: those of a second")] | None = (
        None
    )
    queued: Annotated[int, Meta(ge=0, le=1_000_000_000, description="predictions that wait")] | None = None
    running: Annotated[int, Meta(ge=0, le=1_000_000, description="predictions that run")] | None = None

    def over(self, defaults: Allowance) -> Allowance:
        """This one, and what it leaves open from the defaults."""
        return Allowance(
            rate=defaults.rate if self.rate is None else self.rate,
            burst=defaults.burst if self.burst is None else self.burst,
            queued=defaults.queued if self.queued is None else self.queued,
            running=defaults.running if self.running is None else self.running,
        )

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return bool(self.rate or self.queued or self.running)

    @property
    def bucket(self) -> float:
        """How many tokens its bucket holds: a prediction takes one, and `rate` of them are added in a second."""
        return float(self.burst or max(1.0, self.rate or 0.0))


def refilled(tokens: float, *, passed: float, allowance: Allowance) -> float:
    """What is in the bucket after so many seconds. See RFC 2697 for the idea.

    How many they were nobody knows once the clock was set back; the bucket is full then.
    """
    if passed < -STEP:
        return allowance.bucket
    return min(allowance.bucket, tokens + max(0.0, passed) * (allowance.rate or 0.0))


def until_a_token(tokens: float, allowance: Allowance) -> float:
    """In how many seconds there is one again."""
    return max(0.0, (1.0 - tokens) / (allowance.rate or 1.0))


def pause(waiting: int, running: int) -> float:
    """When to look again at what is over a limit of so many that run while so many of its account wait, in seconds.

    So about as many are looked at in a second as may run, however many wait.
    """
    return min(LONGEST, max(SHORTEST, waiting / running))
