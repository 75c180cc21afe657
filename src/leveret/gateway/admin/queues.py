"""Queues: for each model, what waits, what runs, and how many workers there are for it."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from leveret.core.ports import Broker, Registry

_encoder: Final = msgspec.json.Encoder()


class QueueView(Struct, frozen=True, kw_only=True):
    """The queues of one model."""

    model: Annotated[str, Meta(description="owner/name")]
    waiting: Annotated[int, Meta(description="how many messages wait for a worker, in all lanes")]
    lanes: Annotated[list[int], Meta(description="how many wait in each lane, the best one first")]
    running: Annotated[int, Meta(description="how many predictions are being run")]
    workers: Annotated[int, Meta(description="how many workers are alive; without any, predictions wait")]


class QueueList(Struct, frozen=True):
    """Every model that was ever announced, by name."""

    results: list[QueueView]


class QueuePages:
    """The endpoint of the queues."""

    def __init__(self, *, broker: Broker, registry: Registry) -> None:
        self._broker = broker
        self._registry = registry

    async def list(self, _request: Request) -> Response:
        """All of them. What waits for its delay, or in a worker's hand, is in no lane."""
        running = await self._registry.running()
        found: list[QueueView] = []
        for listing in await self._registry.cards():
            model = listing.card.model
            lanes = list(await self._broker.depth(model))
            view = QueueView(
                model=model,
                waiting=sum(lanes),
                lanes=lanes,
                running=running.get(model, 0),
                workers=listing.workers,
            )
            found.append(view)
        return Response(_encoder.encode(QueueList(found)), media_type="application/json")
