"""The hand: what a worker holds, none of it twice, with a sign of life for each run while it lasts."""

from __future__ import annotations

import structlog
from structlog.typing import FilteringBoundLogger

from leveret.core.ports import Claimed, Delivery, Pulse, Running, Runs
from leveret.errors import LeveretError

_log: FilteringBoundLogger = structlog.get_logger()


class Held:
    """A delivery in the hand, and its run once that is claimed. A `double` is of a prediction that was held already."""

    __slots__ = ("alive", "appends", "canceled", "claimed", "delivery", "double", "most", "open", "prediction", "run")

    def __init__(self, delivery: Delivery, *, double: bool) -> None:
        self.delivery = delivery
        self.double = double
        self.prediction = delivery.prediction
        self.run = Running(self.prediction.id, 0)
        self.open = True
        self.alive = False
        self.canceled = False
        self.claimed = Claimed(0)
        self.most = 1
        self.appends = 0

    def begin(self, claimed: Claimed, *, most: int) -> None:
        """It is claimed: from now on it is for this worker to show signs of life. `most` runs may be charged."""
        self.run = Running(self.run.id, claimed.attempt)
        self.claimed = claimed
        self.most = most
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

    async def beat(self) -> list[str]:
        """Renew every lease; answers of which predictions a cancel was requested."""
        beating = [held for held in self._held.values() if held.alive]
        if not beating:
            return []
        pulses = await self._runs.beat([held.run for held in beating], worker=self.worker, lease=self.lease)
        for held, pulse in zip(beating, pulses, strict=True):
            if pulse is Pulse.LOST and held.alive:
                held.alive = False
                _log.warning("run lost; its result will be discarded", id=held.run.id, attempt=held.run.attempt)
        return [held.run.id for held, pulse in zip(beating, pulses, strict=True) if pulse is Pulse.CANCEL]

    def _let_go(self, held: Held) -> bool:
        # Before the delivery ends, not after: what is given back may be here again at once.
        was_open, held.open = held.open, False
        if was_open and not held.double:
            del self._held[held.run.id]
        return was_open


async def give_back(delivery: Delivery, *, delay: float) -> None:
    """Have it delivered again; a broker that cannot be asked to does so by itself."""
    try:
        await delivery.retry(delay)
    except LeveretError as error:
        _log.warning("not given back", id=delivery.prediction.id, error=str(error))
