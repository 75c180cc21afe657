"""The hand: what a worker holds, none of it twice, with a sign of life for each run while it lasts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog
from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from leveret.core.events import Reset
from leveret.core.ports import Claimed, Delivery, Pulse, Running, Runs
from leveret.errors import LeveretError

LOST_RECORD: Final = "its record was lost"
"""Why a run has ended whose record was lost, and with it what the run had put out."""

_log: FilteringBoundLogger = structlog.get_logger()


class Held:
    """A delivery in the hand, and its run once that is claimed. A `double` is of a prediction that was held already.

    It is in hand `since` then, and `guarded` once a guard stands for it.
    A run that has `streamed` chunks of its output is `truncated` when the store has lost them: it cannot succeed.
    """

    __slots__ = (
        "alive",
        "appends",
        "canceled",
        "charged",
        "delivery",
        "double",
        "guarded",
        "open",
        "prediction",
        "run",
        "since",
        "streamed",
        "truncated",
    )

    def __init__(self, delivery: Delivery, *, double: bool) -> None:
        self.delivery = delivery
        self.double = double
        self.prediction = delivery.prediction
        self.run = Running(self.prediction.id, 0)
        self.since = time.monotonic()
        self.open = True
        self.guarded = False
        self.alive = False
        self.canceled = False
        self.charged = 0
        self.appends = 0
        self.streamed = False
        self.truncated = False

    def begin(self, claimed: Claimed) -> None:
        """It is claimed: from now on it is for this worker to show signs of life."""
        self.run = Running(self.run.id, claimed.attempt)
        self.charged = claimed.charged
        self.alive = True


class Hand:
    """What the worker holds. A delivery leaves it by `ack` or `give_back`, once; after that they do nothing."""

    def __init__(self, *, runs: Runs, worker: str, lease: float) -> None:
        self.worker = worker
        self.lease = lease
        self._runs = runs
        self._held: dict[str, Held] = {}

    def hold(self, delivery: Delivery) -> Held:
        """Take it in hand."""
        prediction_id = delivery.prediction.id
        held = Held(delivery, double=prediction_id in self._held)
        if not held.double:
            self._held[prediction_id] = held
        return held

    def of(self, prediction_id: str) -> Held:
        """What is held of this prediction."""
        return self._held[prediction_id]

    def ack(self, held: Held) -> None:
        """It is dealt with."""
        if self._let_go(held):
            held.delivery.ack()

    async def give_back(self, held: Held, *, delay: float) -> None:
        """It is delivered again in about `delay` seconds."""
        if self._let_go(held):
            await give_back(held.delivery, delay=delay)

    def cancel(self, prediction_id: str) -> Running | None:
        """It is no longer wanted; answers its run if one has begun."""
        held = self._held.get(prediction_id)
        if held is None:
            return None
        held.canceled = True
        return held.run if held.alive else None

    async def beat(self) -> list[Running]:
        """Renew every lease; answers the runs to be stopped: a cancel was requested, or their output is lost."""
        beating = [held for held in self._held.values() if held.alive]
        if not beating:
            return []
        pulses = await self._runs.beat([held.run for held in beating], worker=self.worker, lease=self.lease)
        gone: list[Held] = []
        for held, pulse in zip(beating, pulses, strict=True):
            match pulse:
                case _ if not held.alive:
                    pass  # it has ended meanwhile
                case Pulse.LOST:
                    _lose(held)
                case Pulse.GONE:
                    gone.append(held)
                case Pulse.CANCEL:
                    held.canceled = True
        for held in set(gone).difference(await self.rebuild(gone)):
            _lose(held)
        return [held.run for held in beating if held.alive and (held.canceled or held.truncated)]

    async def guard(self, *, after: float, delay: float) -> None:
        """Guard what has been held for `after` seconds: brokers do not wait for ever for an acknowledgement."""
        until = time.monotonic() - after
        async with asyncio.TaskGroup() as group:
            for held in self._held.values():
                if held.since <= until and not held.guarded:
                    group.create_task(_guard(held, delay))

    async def rebuild(self, gone: Sequence[Held]) -> list[Held]:
        """Claim anew the runs of which there is no record any more; answers those that are ours as they were."""
        if not gone:
            return []
        messages = [replace(held.prediction, attempt=held.run.attempt - 1, charged=held.charged) for held in gone]
        claims = await self._runs.claim(messages, worker=self.worker, lease=self.lease)
        ours: list[Held] = []
        others: list[tuple[Running, Reset]] = []
        for held, claim in zip(gone, claims, strict=True):
            if not isinstance(claim, Claimed):
                continue
            if claim.attempt == held.run.attempt:
                held.truncated = held.truncated or held.streamed
                ours.append(held)
            else:  # somebody has run it meanwhile and handed it back: this worker runs no other attempt
                reset = Reset(time.time(), claim.attempt, LOST_RECORD, claim.charged)
                others.append((Running(held.run.id, claim.attempt), reset))
        if others:
            await self._runs.settle(others, worker=self.worker)
        if ours:
            _log.warning("records made anew: the store had lost them", ids=[held.run.id for held in ours])
        return ours

    def _let_go(self, held: Held) -> bool:
        # Before the delivery ends, not after: what is given back may be here again at once.
        was_open, held.open = held.open, False
        if was_open and not held.double:
            del self._held[held.run.id]
        return was_open


async def _guard(held: Held, delay: float) -> None:
    """Whoever gets the guard while this one is held keeps another one in its place."""
    try:
        await held.delivery.guard(delay)
    except LeveretError as error:
        _log.warning("not guarded; tried again", id=held.run.id, error=str(error))
    else:
        held.guarded = True


def _lose(held: Held) -> None:
    if held.alive:
        held.alive = False
        _log.warning("run lost; its result will be discarded", id=held.run.id, attempt=held.run.attempt)


async def give_back(delivery: Delivery, *, delay: float) -> None:
    """Have it delivered again; a broker that cannot be asked to does so by itself."""
    try:
        await delivery.retry(delay)
    except LeveretError as error:
        _log.warning("not given back", id=delivery.prediction.id, error=str(error))
