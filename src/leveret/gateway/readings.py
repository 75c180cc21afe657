"""Readings: the endpoint of the metrics, with what is read off the store and the catalog when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from leveret.core.meters import Exposed, Reading
from leveret.core.ports import Lines
from leveret.errors import Unavailable
from leveret.gateway.catalog import Catalog, Served
from leveret.gateway.health import Health
from leveret.gateway.waits import Waits

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Readings:
    """What a gateway shows. A store that is away leaves out what would be read off it."""

    def __init__(self, *, meter: Exposed, lines: Lines, catalog: Catalog, waits: Waits, health: Health) -> None:
        self._meter = meter
        self._lines = lines
        self._catalog = catalog
        self._waits = waits
        self._health = health

    async def get(self, _request: Request) -> Response:
        """All metrics of this process."""
        found = [
            Reading("leveret_ready", (), 0.0 if await self._health.wrong() else 1.0),
            Reading("leveret_followers", (), self._waits.count),
        ]
        with suppress(Unavailable):  # `leveret_ready` says so
            found += [*await self._of_store(), *await self._of_models()]
        return Response(self._meter.text(found), media_type=CONTENT_TYPE)

    async def _of_store(self) -> list[Reading]:
        outbox = await self._lines.outbox()
        readings = [
            Reading("leveret_outbox", (), outbox.count),
            Reading("leveret_outbox_age_seconds", (), outbox.age),
        ]
        for model, line in (await self._lines.lines()).items():
            readings.append(Reading("leveret_running", (model,), line.running))
            for lane, count in enumerate(line.waiting):
                readings.append(Reading("leveret_queue_depth", (model, str(lane)), count))
        return readings

    async def _of_models(self) -> list[Reading]:
        return [reading for served in await self._catalog.models() for reading in _of_model(served)]


def _of_model(served: Served) -> Iterator[Reading]:
    model = served.card.model
    yield Reading("leveret_workers", (model,), served.workers)
    yield Reading("leveret_slots", (model,), served.slots)
