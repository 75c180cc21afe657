"""The limiter: whether an account may create a prediction now, and if not, when to try again.

The store decides, with the create itself. What it has refused is refused here for as long as it has said, so that
whoever tries again and again costs next to nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog

from leveret.config import LimitSettings
from leveret.core.limits import Allowance
from leveret.core.ports import Accounts
from leveret.errors import LimitReached, Overloaded, QueueRefused, RateExceeded, TooManyQueued, Unavailable
from leveret.gateway.estimates import Estimates

PERIOD: Final = 5.0
"""Seconds between two looks at what accounts may."""

HOLD: Final = 0.25
"""For so many seconds at most nobody asks again whether there is room in the queue: somebody may have canceled."""

_MOST: Final = 10_000
"""How many refusals it remembers."""

_log = structlog.get_logger()


class Limiter:
    """Knows what each account may."""

    def __init__(self, *, accounts: Accounts, estimates: Estimates, settings: LimitSettings) -> None:
        self._accounts = accounts
        self._estimates = estimates
        self._settings = settings
        self._defaults = Allowance(
            rate=settings.rate, burst=settings.burst, queued=settings.queued, running=settings.running
        )
        self._known: Mapping[str, Allowance] = {}
        self._refused: dict[str, tuple[LimitReached, float]] = {}
        self._lanes: dict[tuple[str, str], int] = {}

    async def run(self) -> None:
        """Look for ever what accounts may."""
        while True:
            try:
                await self.renew()
            except Unavailable as error:
                _log.warning("limits not looked at", reason=str(error))
            await asyncio.sleep(PERIOD)

    async def renew(self) -> None:
        """Look now. Raises StoreUnavailable."""
        known = await self._accounts.allowances()
        for account in [one for one in self._refused if known.get(one) != self._known.get(one)]:
            del self._refused[account]  # what it was told belongs to the limits that it had
        self._known = known

    def check(self, account: str) -> None:
        """Raises LimitReached if that has just been refused: before anything else is done for the request."""
        if not self._refused or (refused := self._refused.get(account)) is None:
            return
        error, until = refused
        left = until - time.monotonic()
        if left <= 0:
            del self._refused[account]
            return
        exact = isinstance(error, RateExceeded)  # when there is room in a queue is only guessed
        raise type(error)(**{**error.data, "retry_after": left if exact else _advice(error)})

    @contextmanager
    def admission(self, account: str, model: str) -> Iterator[Allowance | None]:
        """What a create has to be within; None: it has no limit. Raises LimitReached and Overloaded.

        A create that is refused within it gets to know when to try again, and so does the next one.
        """
        self.check(account)
        self._check_wait(account, model)
        own = self._known.get(account)
        allowance = self._defaults if own is None else own.over(self._defaults)
        try:
            yield allowance if allowance.limited else None
        except RateExceeded as error:
            self._remember(account, error, hold=_advice(error))
            raise
        except TooManyQueued as error:
            advised = TooManyQueued(queued=error.data["queued"], retry_after=self._estimates.interval(model))
            self._remember(account, advised, hold=HOLD)
            raise advised from error
        except QueueRefused as error:
            raise QueueRefused(**{**error.data, "retry_after": self._estimates.interval(model)}) from error

    def accepted(self, account: str, model: str, lane: int) -> None:
        """What it has created last stands in this lane, and so will its next one."""
        if not self._settings.wait:
            return
        if len(self._lanes) >= _MOST:
            self._lanes.clear()
        self._lanes[account, model] = lane

    def _check_wait(self, account: str, model: str) -> None:
        limit = self._settings.wait
        if not limit:
            return
        wait = self._estimates.wait(model, self._lanes.get((account, model), 0))
        if wait is not None and wait > limit:
            raise Overloaded(model=model, wait=wait, limit=limit, retry_after=max(1.0, wait - limit))

    def _remember(self, account: str, error: LimitReached, *, hold: float) -> None:
        if len(self._refused) >= _MOST:
            self._refused.clear()
        self._refused[account] = (error, time.monotonic() + hold)


def _advice(error: LimitReached) -> float:
    told = error.data["retry_after"]
    assert isinstance(told, float)  # noqa: S101 - whoever raises it says so
    return told
