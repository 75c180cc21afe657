"""The registry of models: their cards, the workers that live, and how their predictions move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from leveret.core.card import Card, Listing, Present
from leveret.core.line import Line


class Registry(Protocol):
    """Which models are served. Presence expires, cards stay."""

    async def announce(self, card: Card, *, worker: str, lease: float, problem: str | None = None) -> None:
        """Publish the card and show that the worker is alive for the next `lease` seconds (0: it goes).

        A `problem` says why it cannot serve now; it lasts as long as this sign of life, or until the next one.
        """

    async def cards(self) -> list[Listing]:
        """Every model ever announced, by name, with its workers who are alive and their problems."""
        ...

    async def running(self) -> Mapping[str, int]:
        """How many predictions of each model are being run; without those of which none is."""
        ...


class Models(Protocol):
    """Of which model each prediction is."""

    async def models(self, prediction_ids: Sequence[str]) -> list[str | None]:
        """The model of each, which never changes; None if there is no record."""
        ...


class Attendance(Protocol):
    """Who serves the models."""

    async def present(self) -> list[Present]:
        """Every worker that shows that it is alive, by model and name."""
        ...


class Outbox(Struct, frozen=True):
    """How many predictions are not known to be queued yet, and for how many seconds the oldest of them is not."""

    count: int = 0
    age: float = 0.0


class Lines(Protocol):
    """How the predictions of each model move, counted by the calls that move them."""

    async def lines(self) -> Mapping[str, Line]:
        """The line of each model that has ever had a prediction."""
        ...

    async def outbox(self) -> Outbox:
        """What is to be published yet; what the sweeper has in hand counts as new."""
        ...
