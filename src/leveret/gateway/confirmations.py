"""Confirmations: what the broker has confirmed leaves the store's outbox, many at once and behind the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from leveret.errors import Unavailable

LINGER: Final = 0.05
"""Seconds for which confirmations are collected into one call."""

LIMIT: Final = 10_000
"""How many are remembered while the store is away; the sweeper repeats the publish of the others, which is harmless."""

_PAUSE: Final = 1.0

_log = structlog.get_logger()


class Outbox(Protocol):
    """The one thing that this needs of the store."""

    async def published(self, prediction_ids: Sequence[str]) -> None:
        """Their publish was confirmed: clear their outbox entries."""


class Confirmations:
    """Nobody waits for these: a confirmation that is lost costs a second message, and the claim drops that."""

    def __init__(self, *, outbox: Outbox) -> None:
        self._outbox = outbox
        self._confirmed: list[str] = []
        self._some = asyncio.Event()

    def add(self, prediction_id: str) -> None:
        """The broker has confirmed it."""
        if len(self._confirmed) < LIMIT:
            self._confirmed.append(prediction_id)
            self._some.set()

    async def run(self) -> None:
        """Clear what is confirmed, for ever; cancelled, clear what there is and end."""
        try:
            while True:
                await self._some.wait()
                await asyncio.sleep(LINGER)
                if not await self._clear():
                    await asyncio.sleep(_PAUSE)
        finally:
            await self._clear()

    async def _clear(self) -> bool:
        """Whether there is nothing left to repeat."""
        batch, self._confirmed = self._confirmed, []
        self._some.clear()
        try:
            if batch:
                await self._outbox.published(batch)
        except Unavailable as error:
            _log.warning("outbox entries stay", count=len(batch), reason=str(error))
            self._confirmed = (batch + self._confirmed)[:LIMIT]
            self._some.set()
            return False
        return True
