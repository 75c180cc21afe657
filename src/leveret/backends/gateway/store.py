"""The store of a worker at a gateway: the ports as calls that travel through the batcher."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import structlog

from leveret.backends.gateway.batcher import Batcher
from leveret.backends.gateway.connection import Connector
from leveret.core import worker_api
from leveret.core.card import Card, Listing
from leveret.core.events import Ending, Report
from leveret.core.meters import SILENT, Meter
from leveret.core.ports import Claim, Pulse, Running
from leveret.core.prediction import Prediction
from leveret.core.worker_api import Answer, Call
from leveret.errors import BodyTooLarge, InvalidOutput, InvalidSetting, ScopeMissing, StoreUnavailable

T = TypeVar("T", bound=Answer)

DEFAULT_PATIENCE: Final = 30.0

CONNECTIONS: Final = 4
"""Over so many at once the calls of runs travel: while one batch is claimed, another one ends."""

_log = structlog.get_logger()


@asynccontextmanager
async def open_store(
    connector: Connector, *, patience: float = DEFAULT_PATIENCE, meter: Meter = SILENT
) -> AsyncIterator[RemoteStore]:
    """The store behind the gateway, even if that is away now; a call waits for it up to `patience` seconds."""
    runs = Batcher(connector, connections=CONNECTIONS, patience=patience, meter=meter)
    registry = Batcher(connector, connections=1, patience=patience)  # whoever takes leave shall be seen last
    running = [asyncio.create_task(batcher.run()) for batcher in (runs, registry)]
    for task in running:
        task.add_done_callback(_report)
    try:
        yield RemoteStore(runs, registry)
    finally:
        for task in running:
            task.cancel()
        await asyncio.wait(running)


class RemoteStore:
    """Implements core.ports.Runs, Reuse and Registry, and what replies need, for the models of its key."""

    def __init__(self, runs: Batcher, registry: Batcher) -> None:
        self._runs = runs
        self._registry = registry

    # Runs

    async def claim(
        self, predictions: Sequence[Prediction], *, worker: str, lease: float, most: int | None = None
    ) -> list[Claim]:
        """See core.ports.Runs."""
        if not predictions:
            return []
        call = worker_api.Take(list(predictions), worker, lease, most)
        return (await self._ask(call, worker_api.Claims)).claims

    async def beat(self, runs: Sequence[Running], *, worker: str, lease: float) -> list[Pulse]:
        """See core.ports.Runs."""
        if not runs:
            return []
        return (await self._ask(worker_api.Beat(list(runs), worker, lease), worker_api.Pulses)).pulses

    async def append(self, run: Running, reports: Sequence[Report], *, worker: str, number: int) -> bool:
        """See core.ports.Runs."""
        call = worker_api.Append(run, list(reports), worker, number)
        try:
            return (await self._ask(call, worker_api.Taken)).taken
        except BodyTooLarge as error:
            reason = f"a gateway takes {worker_api.LARGEST} bytes at a time; yield less, or return a file"
            raise InvalidOutput(reason=reason) from error

    async def settle(self, endings: Sequence[tuple[Running, Ending]], *, worker: str) -> list[Pulse]:
        """See core.ports.Runs."""
        if not endings:
            return []
        return (await self._ask(worker_api.Settle(list(endings), worker), worker_api.Pulses)).pulses

    # Registry

    async def announce(self, card: Card, *, worker: str, lease: float, problem: str | None = None) -> None:
        """See core.ports.Registry. Raises InvalidSetting if the key is none for this model."""
        try:
            await self._registry.send(worker_api.Announce(card, worker, lease, problem))
        except ScopeMissing as error:
            scope = f"worker:{card.model}"
            reason = f"it is no key for {card.model}: `leveret keys create --scope {scope}` makes one"
            raise InvalidSetting(name="store_token", source="the settings", reason=reason) from error

    async def cards(self) -> list[Listing]:
        """See core.ports.Registry."""
        return (await self._ask(worker_api.ListCards(), worker_api.Listings)).listings

    async def running(self) -> Mapping[str, int]:
        """See core.ports.Registry."""
        return (await self._ask(worker_api.CountRunning(), worker_api.Counts)).counts

    # Reuse

    async def lead(self, prediction_id: str, key: str, *, lifetime: float, instead: str = "") -> str:
        """See core.ports.Reuse."""
        return (await self._ask(worker_api.Lead(prediction_id, key, lifetime, instead), worker_api.Led)).by

    async def get(self, prediction_id: str) -> Prediction:
        """See core.ports.Predictions."""
        return (await self._ask(worker_api.Get(prediction_id), worker_api.Found)).prediction

    # Replies

    async def show(self, prediction: Prediction) -> bytes:
        """The body of the message that whoever has asked over AMQP is sent; only the gateway can sign its links."""
        return bytes((await self._ask(worker_api.Show(prediction.id), worker_api.Shown)).message)

    async def unreplied(self, *, age: float, hold: float, limit: int) -> list[str]:
        """None: what a worker has not told, the gateway's own sweep tells."""
        return []

    async def replied(self, prediction_ids: Sequence[str]) -> None:
        """See core.ports.Replies."""
        if prediction_ids:
            await self._ask(worker_api.Replied(list(prediction_ids)), worker_api.Taken)

    async def _ask(self, call: Call, kind: type[T]) -> T:
        answer = await self._runs.send(call)
        if not isinstance(answer, kind):
            raise StoreUnavailable(reason=f"the gateway has answered {type(answer).__name__}: is it of this version?")
        return answer


def _report(task: asyncio.Task[None]) -> None:
    """Say why the batcher has ended; from then on every call raises StoreUnavailable."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("the connection to the gateway has ended", exc_info=error)
