"""Estimates: where what has not ended stands, when it will have ended, and whether anybody is there to run it.

Nobody waits for this: it is reckoned from what the store has last said of all lines, and from the prediction's ticket.
"""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Final

import structlog
from msgspec import Meta, Struct

from leveret.core.line import Line
from leveret.core.ports import Lines
from leveret.core.prediction import Prediction, Status
from leveret.errors import Unavailable
from leveret.gateway.catalog import Catalog, Served
from leveret.gateway.flow import Flow

PERIOD: Final = 0.25
"""Seconds between two looks at the lines."""

_log = structlog.get_logger()


class QueueView(Struct, frozen=True):
    """Where a prediction that has not ended stands. An estimate: it may be overtaken, or canceled ones leave."""

    position: Annotated[int, Meta(description="how many will begin before it, those that overtake it included")]
    eta_seconds: Annotated[float | None, Meta(description="when it will have ended; null while that is unknown")]
    is_possible: Annotated[bool, Meta(description="whether a worker that is alive can run its model now")]
    reason: Annotated[str | None, Meta(description="why that is not possible")]


class Estimates:
    """Learns the flow of every model, and places predictions in it."""

    def __init__(self, *, lines: Lines, catalog: Catalog) -> None:
        self._lines = lines
        self._catalog = catalog
        self._flows: dict[str, Flow] = {}
        self._looked = False

    async def run(self) -> None:
        """Renew for ever."""
        while True:
            try:
                await self.renew()
            except Unavailable as error:
                _log.info("the estimates grow old", reason=str(error))
            await asyncio.sleep(PERIOD)

    async def renew(self) -> None:
        """Look at the lines. Raises Unavailable."""
        lines = await self._lines.lines()
        at = time.monotonic()
        self._looked = True
        for model, line in lines.items():
            flow = self._flows.get(model)
            if flow is not None and flow.leads_to(line):
                flow.learn(line, at=at, slots=_slots(self._catalog.known(model)))
            else:
                self._flows[model] = Flow(line, at=at)

    def wait(self, model: str, lane: int) -> float | None:
        """How long what is put into this lane now would wait for its run, in seconds; None while nobody knows."""
        flow, slots = self._flows.get(model), _slots(self._catalog.known(model))
        if flow is None or not slots:
            return None
        position = flow.position(lane, 0, at=time.monotonic(), slots=slots)
        return flow.until_begun(position, slots=slots)

    def interval(self, model: str) -> float:
        """In about how many seconds the next one of those that wait begins; between 1 and 60."""
        flow, slots = self._flows.get(model), _slots(self._catalog.known(model))
        seconds = None if flow is None or not slots else flow.until_begun(0.0, slots=slots)
        return min(60.0, max(1.0, 2.0 if seconds is None else seconds))

    def mean_run(self, model: str) -> float | None:
        """How long one of its runs takes, in seconds; None while nobody knows."""
        flow = self._flows.get(model)
        return None if flow is None else flow.run

    def place(self, prediction: Prediction) -> QueueView | None:
        """Where it stands; None when it has ended, or nothing is known of any line yet."""
        if prediction.status.terminal or not self._looked:
            return None
        at = time.monotonic()
        flow = self._flows.get(prediction.model)
        if flow is None:  # its first prediction has come since the last look
            flow = self._flows[prediction.model] = Flow(Line(), at=at)
        served = self._catalog.known(prediction.model)
        position = 0.0
        if prediction.status is Status.STARTING:
            # Without its ticket behind the others: that of a run that was reset lies long ago.
            ticket = 0 if prediction.attempt else prediction.ticket
            position = flow.position(prediction.lane, ticket, at=at, slots=_slots(served))
        reason = _hindrance(prediction.model, served)
        if served is None or reason is not None:
            return QueueView(round(position), None, is_possible=False, reason=reason)
        return QueueView(round(position), _eta(prediction, flow, position, served), is_possible=True, reason=None)


def _eta(prediction: Prediction, flow: Flow, position: float, served: Served) -> float | None:
    if prediction.status is Status.PROCESSING and prediction.started_at is not None:
        eta = flow.until_done(max(0.0, time.time() - prediction.started_at), prediction.progress, slots=served.slots)
    else:
        eta = flow.until_ended(position, slots=served.slots)
    return None if eta is None else round(eta, 3)


def _slots(served: Served | None) -> int:
    return 0 if served is None else served.slots


def _hindrance(model: str, served: Served | None) -> str | None:
    """Why nobody can run it."""
    if served is None or not served.workers:
        return f"no worker of {model} is alive"
    return None if served.able else served.problem
