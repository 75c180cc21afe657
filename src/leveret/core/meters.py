"""Meters: what the parts of a process tell of what happens, and what is read off them when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct


class Phase(StrEnum):
    """The parts of a prediction's life whose length is measured."""

    QUEUED = "queued"
    """From its creation until its first run begins."""
    SETUP = "setup"
    """Of a model process: from its start until it can run predictions."""
    RUN = "run"
    """One run, in the model process."""
    DELIVERY = "delivery"
    """From its end until whoever waits for it, follows it or has a webhook is told."""


class Told(StrEnum):
    """What has become of the call of a webhook."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """It is tried again."""
    GIVEN_UP = "given up"


class Reading(Struct, frozen=True):
    """A value as it is now; `labels` are those of its name, in their order."""

    name: str
    labels: tuple[str, ...]
    value: float


class Meter(Protocol):
    """Counts and measures. Every call is cheap and never fails."""

    def request(self, route: str, status: int, seconds: float) -> None:
        """A request to this endpoint was answered so, after so many seconds."""

    def refused(self, code: str) -> None:
        """A request was answered with this problem."""

    def phase(self, model: str, phase: Phase, seconds: float) -> None:
        """This phase of one of the model's predictions, or of its process, took so long."""

    def batch(self, model: str, size: int) -> None:
        """So many predictions were given to the model together."""

    def ended(self, model: str, status: str) -> None:
        """A run has ended its prediction so."""

    def rerun(self, model: str) -> None:
        """A run came to nothing, and another one follows."""

    def told(self, result: Told) -> None:
        """A webhook was called."""

    def connected(self, to: str) -> None:
        """A connection was opened; each one beyond the first in the place of one that was lost."""


class Exposed(Meter, Protocol):
    """A meter that can show what it has."""

    def text(self, readings: Iterable[Reading]) -> bytes:
        """All that was counted, and what was read off."""
        ...


class Silent:
    """Measures nothing."""

    def request(self, route: str, status: int, seconds: float) -> None:
        """See Meter."""

    def refused(self, code: str) -> None:
        """See Meter."""

    def phase(self, model: str, phase: Phase, seconds: float) -> None:
        """See Meter."""

    def batch(self, model: str, size: int) -> None:
        """See Meter."""

    def ended(self, model: str, status: str) -> None:
        """See Meter."""

    def rerun(self, model: str) -> None:
        """See Meter."""

    def told(self, result: Told) -> None:
        """See Meter."""

    def connected(self, to: str) -> None:
        """See Meter."""

    def text(self, readings: Iterable[Reading]) -> bytes:
        """See Exposed."""
        return b""


SILENT: Final = Silent()
