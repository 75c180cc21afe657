"""The hand: what a worker holds, none of it twice, with a sign of life for each run while it lasts.

A run that is not wanted any more is stopped, and its delivery stays in the hand until it has been.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger

from leveret.core.ports import Claimed, Delivery, Pulse, Running, Runs
from leveret.core.prediction import Prediction
from leveret.errors import LeveretError

AGAIN: Final = 1.0
"""Seconds until a run that goes on is stopped again: it may not have reached its process the first time."""

_log: FilteringBoundLogger = structlog.get_logger()


class Unwanted(Enum):
    """Why a run is not wanted any more."""

    CANCELED = auto()
    OVERDUE = auto()
    LOST = auto()


class Held:
    """A delivery in the hand, and its run once that is claimed. A `double` is of a prediction that was held already."""

    __slots__ = (
        *("alive", "appends", "claimed", "delivery", "double", "most", "open", "prediction", "run"),
        *("timer", "unwanted"),
    )

    def __init__(self, delivery: Delivery, *, double: bool) -> None:
        self.delivery = delivery
        self.double = double
        self.prediction = delivery.prediction
        self.run = Running(self.prediction.id, 0)
        self.open = True
        self.alive = False
        self.unwanted: Unwanted | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.claimed = Claimed(0)
        self.most = 1
        self.appends = 0


class Hand:
    """What the worker holds. A delivery leaves it by `ack` or `give_back`, once; after that they do nothing.

    `stop` is told, again and again while it lasts, to stop a run that is not wanted any more; `reply` is told of what
    is dealt with, as somebody may wait for a reply.
    """

    def __init__(
        self,
        *,
        runs: Runs,
        worker: str,
        lease: float,
        stop: Callable[[Running], None],
        reply: Callable[[Prediction], None],
    ) -> None:
        self.worker = worker
        self.lease = lease
        self._runs = runs
        self._stop = stop
        self._reply = reply
        self._held: dict[str, Held] = {}

    def hold(self, delivery: Delivery) -> Held:
        """Take it in hand."""
        prediction_id = delivery.prediction.id
        held = Held(delivery, double=prediction_id in self._held)
        if not held.double:
            self._held[prediction_id] = held
        return held

    def begin(self, held: Held, claimed: Claimed, *, most: int) -> None:
        """It is claimed: from now on it is for this worker to show signs of life, and to keep its deadline.

        `most` of its runs may be charged.
        """
        held.run = Running(held.run.id, claimed.attempt)
        held.claimed = claimed
        held.most = most
        held.alive = True
        deadline = held.prediction.deadline
        if deadline is not None:
            self._later(max(0.0, deadline - time.time()), held, Unwanted.OVERDUE)

    def of(self, prediction_id: str) -> Held:
        """What is held of this prediction."""
        return self._held[prediction_id]

    def ack(self, held: Held) -> None:
        """It is dealt with."""
        if self._let_go(held):
            held.delivery.ack()
            self._reply(held.prediction)

    async def give_back(self, held: Held, *, delay: float) -> None:
        """It is delivered again in about `delay` seconds."""
        if self._let_go(held):
            await give_back(held.delivery, delay=delay)

    def cancel(self, prediction_id: str) -> None:
        """A cancel of it was requested."""
        held = self._held.get(prediction_id)
        if held is not None:
            self._drop(held, Unwanted.CANCELED)

    def wants(self, prediction_id: str, *, at: float) -> bool:
        """Whether its run shall still begin."""
        held = self._held[prediction_id]
        deadline = held.prediction.deadline
        if held.unwanted is None and deadline is not None and deadline <= at:
            held.unwanted = Unwanted.OVERDUE
        return held.unwanted is None

    async def beat(self) -> None:
        """Renew every lease. What is to be canceled, or has become somebody else's, is stopped."""
        beating = [held for held in self._held.values() if held.alive]
        if not beating:
            return
        pulses = await self._runs.beat([held.run for held in beating], worker=self.worker, lease=self.lease)
        for held, pulse in zip(beating, pulses, strict=True):
            match pulse:
                case Pulse.LOST if held.alive:
                    held.alive = False
                    _log.warning("run lost; its result will be discarded", id=held.run.id, attempt=held.run.attempt)
                    self._drop(held, Unwanted.LOST)
                case Pulse.CANCEL:
                    self._drop(held, Unwanted.CANCELED)
                case _:
                    pass

    def _drop(self, held: Held, why: Unwanted) -> None:
        """Stop its run, if it has one, until it is over. The first reason counts."""
        if not held.open:
            return
        held.unwanted = held.unwanted or why
        if held.run.attempt:
            self._stop(held.run)
            self._later(AGAIN, held, why)

    def _later(self, seconds: float, held: Held, why: Unwanted) -> None:
        if held.timer is not None:
            held.timer.cancel()
        held.timer = asyncio.get_running_loop().call_later(seconds, self._drop, held, why)

    def _let_go(self, held: Held) -> bool:
        # Before the delivery ends, not after: what is given back may be here again at once.
        was_open, held.open = held.open, False
        if held.timer is not None:
            held.timer.cancel()
        if was_open and not held.double:
            del self._held[held.run.id]
        return was_open


async def give_back(delivery: Delivery, *, delay: float) -> None:
    """Have it delivered again; a broker that cannot be asked to does so by itself."""
    try:
        await delivery.retry(delay)
    except LeveretError as error:
        _log.warning("not given back", id=delivery.prediction.id, error=str(error))
