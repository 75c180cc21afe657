"""The runs, as a worker claims them, shows signs of life, reports and settles."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol, TypeAlias

from msgspec import Struct

from leveret.core.events import Ending, Report
from leveret.core.prediction import Prediction


class Claimed(Struct, frozen=True, tag="claimed"):
    """The run is the caller's, as number `attempt`; `charged` of those before it count against the limit.

    `suspect` is the worker on which one of those before it has last crashed its model process, if one has.
    """

    attempt: int
    charged: int = 0
    suspect: str = ""


class Finished(Struct, frozen=True, tag="finished"):
    """It has ended, maybe by this claim: a cancel was requested, a deadline has passed, or no run is left.

    Or its message names another model than its record does. Acknowledge the delivery.
    """


class Busy(Struct, frozen=True, tag="busy"):
    """A worker that is alive runs it; keep a guard message and acknowledge the delivery."""


class Early(Struct, frozen=True, tag="early"):
    """It waits for its next run, `delay` seconds more: give the delivery back for so long."""

    delay: float


Claim: TypeAlias = Claimed | Finished | Busy | Early


class Pulse(StrEnum):
    """What the store knows of a run when its worker shows a sign of life for it, or ends it."""

    OURS = "ours"
    LOST = "lost"
    """It is no longer this worker's: whatever it says is refused."""
    GONE = "gone"
    """There is no record of its prediction at all: the store has lost its data. A claim makes it anew."""
    CANCEL = "cancel"
    """It is this worker's, and a cancel was requested: stop it."""


class Running(Struct, frozen=True):
    """A run in a worker's hand: the fence is the attempt together with the worker."""

    id: str
    attempt: int


class Runs(Protocol):
    """What a worker needs of the store. The lists are answered in their order; every call may be repeated."""

    async def claim(
        self, predictions: Sequence[Prediction], *, worker: str, lease: float, most: int | None = None
    ) -> list[Claim]:
        """Take these runs, each for `lease` seconds. A record that is missing is rebuilt from the message.

        A run whose worker was lost is charged. What has `most` runs charged then gets no other one: it has failed.
        """
        ...

    async def beat(self, runs: Sequence[Running], *, worker: str, lease: float) -> list[Pulse]:
        """Renew the leases of the runs that are still this worker's."""
        ...

    async def append(self, run: Running, reports: Sequence[Report], *, worker: str, number: int) -> bool:
        """Add to the log what the run reports; False (and nothing added) if it is no longer this worker's.

        `number` counts this run's appends from 1: repeating a number that was added adds nothing. Raises InvalidOutput
        if it is more than can be added at a time.
        """
        ...

    async def settle(self, endings: Sequence[tuple[Running, Ending]], *, worker: str) -> list[Pulse]:
        """End these runs: OURS if that is how it has ended; LOST or GONE, and nothing is changed. Never CANCEL.

        The delay of a Reset is counted from now on: a claim before it is over is answered Early.
        """
        ...


class Reuse(Protocol):
    """Which prediction runs for all that ask for the same."""

    async def lead(self, prediction_id: str, key: str, *, lifetime: float, instead: str = "") -> str:
        """The id of the prediction that leads those with this key.

        It is this one if none has led within the last so many seconds, or if that was the one to lead `instead` of.
        What is led waits in a queue, and is known to.
        """
        ...
