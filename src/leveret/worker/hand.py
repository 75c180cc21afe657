"""The hand: what a worker holds, none of it twice, with a sign of life for each run while it lasts.

A run that is not wanted any more is stopped, and its delivery stays in the hand until it has been.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final

import structlog
from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from leveret.core.events import Reset
from leveret.core.ports import Claimed, Delivery, Pulse, Running, Runs
from leveret.core.prediction import Prediction
from leveret.core.tracing import INERT, Span
from leveret.errors import LeveretError
from leveret.observe.logs import about

AGAIN: Final = 1.0
"""Seconds until a run that goes on is stopped again: it may not have reached its process the first time."""

LOST_RECORD: Final = "its record was lost"
"""Why a run has ended whose record was lost, and with it what the run had put out."""

_log: FilteringBoundLogger = structlog.get_logger()


class Unwanted(Enum):
    """Why a run is not wanted any more."""

    CANCELED = auto()
    OVERDUE = auto()
    LOST = auto()
    TRUNCATED = auto()


class Held:
    """A delivery in the hand, and its run once that is claimed. A `double` is of a prediction that was held already.

    It is in hand `since` then, and `guarded` once a guard stands for it.
    So many bytes its run has `put_out`; `refused` says why some of them could not be recorded, and then it fails. A run
    that has `streamed` chunks of its output is `truncated` when the store has lost them: it cannot succeed. The attempt
    goes on in `span`, and within it what the process does in `running`. The model may have `asked_again`, in its own
    words, at the end of its latest run.
    """

    __slots__ = (
        *(
            "alive",
            "appends",
            "asked_again",
            "claimed",
            "delivery",
            "double",
            "guarded",
            "most",
            "open",
            "prediction",
            "run",
            "since",
        ),
        *("put_out", "refused", "running", "span", "streamed", "timer", "truncated", "unwanted"),
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
        self.unwanted: Unwanted | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.claimed = Claimed(0)
        self.most = 1
        self.appends = 0
        self.put_out = 0
        self.span: Span = INERT
        self.running: Span = INERT
        self.refused = ""
        self.streamed = False
        self.truncated = False
        self.asked_again = False

    def about(self) -> dict[str, str | int]:
        """What a line of the log about it says; which worker this is, each of its lines says."""
        return {**about(self.prediction), "attempt": self.run.attempt}


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

    @property
    def running(self) -> int:
        """How many runs are under way."""
        return sum(held.alive for held in self._held.values())

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

    def abandon(self, begun: Sequence[Held]) -> None:
        """Nobody hears these runs any more: what still goes on of them is stopped, or it would keep others waiting."""
        for held in begun:
            self._stop(held.run)

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
        gone: list[Held] = []
        for held, pulse in zip(beating, pulses, strict=True):
            match pulse:
                case _ if not held.alive:
                    pass  # it has ended meanwhile
                case Pulse.LOST:
                    self._lose(held)
                case Pulse.GONE:
                    gone.append(held)
                case Pulse.CANCEL:
                    self._drop(held, Unwanted.CANCELED)
        for held in set(gone).difference(await self.rebuild(gone)):
            self._lose(held)

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
        messages = [_rebuilt(held) for held in gone]
        claims = await self._runs.claim(messages, worker=self.worker, lease=self.lease)
        ours: list[Held] = []
        others: list[tuple[Running, Reset]] = []
        for held, claim in zip(gone, claims, strict=True):
            if not isinstance(claim, Claimed):
                continue
            if claim.attempt == held.run.attempt:
                ours.append(held)
                if held.streamed:
                    held.truncated = True
                    self._drop(held, Unwanted.TRUNCATED)
            else:  # somebody has run it meanwhile and handed it back: this worker runs no other attempt
                reset = Reset(time.time(), claim.attempt, LOST_RECORD, claim.charged)
                others.append((Running(held.run.id, claim.attempt), reset))
        if others:
            await self._runs.settle(others, worker=self.worker)
        for held in ours:
            _log.warning("record made anew: the store had lost it", **held.about())
        return ours

    def _lose(self, held: Held) -> None:
        if held.alive:
            held.alive = False
            _log.warning("run lost; its result will be discarded", **held.about())
            self._drop(held, Unwanted.LOST)

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
        held.span.end()
        if was_open and not held.double:
            del self._held[held.run.id]
        return was_open


def _rebuilt(held: Held) -> Prediction:
    """The message by which a claim records the run anew. It has begun: that it had to by some time is settled."""
    attempt, charged = held.run.attempt - 1, held.claimed.charged
    return replace(held.prediction, attempt=attempt, charged=charged, start_by=None)


async def _guard(held: Held, delay: float) -> None:
    """Whoever gets the guard while this one is held keeps another one in its place."""
    try:
        await held.delivery.guard(delay)
    except LeveretError as error:
        _log.warning("not guarded; tried again", **held.about(), error=str(error))
    else:
        held.guarded = True


async def give_back(delivery: Delivery, *, delay: float) -> None:
    """Have it delivered again; a broker that cannot be asked to does so by itself."""
    try:
        await delivery.retry(delay)
    except LeveretError as error:
        _log.warning("not given back", **about(delivery.prediction), error=str(error))
