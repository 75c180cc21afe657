"""The store of a worker at a gateway: all that a worker may expect of any store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

import pytest

from leveret.backends.gateway.store import RemoteStore
from leveret.core.card import Card, Listing
from leveret.core.events import Ending, Report
from leveret.core.ports import Claim, Pulse, Running, Store
from leveret.core.prediction import Prediction
from leveret.testing.conformance.bounds import BoundConformance
from leveret.testing.conformance.cancels import CancelConformance
from leveret.testing.conformance.claims import ClaimConformance
from leveret.testing.conformance.deadlines import DeadlineConformance
from leveret.testing.conformance.histories import HistoryConformance
from leveret.testing.conformance.logs import LogConformance
from leveret.testing.conformance.registry import RegistryConformance
from leveret.testing.conformance.runs import RunsConformance
from tests.backends.gateway.conftest import SCOPES, Served, a_worker


class Halves:
    """What a worker asks for goes through the gateway, the rest into the store behind it."""

    def __init__(self, whole: Store, remote: RemoteStore) -> None:
        self._whole = whole
        self._remote = remote

    def __getattr__(self, name: str) -> object:
        return getattr(self._whole, name)

    async def claim(
        self, predictions: Sequence[Prediction], *, worker: str, lease: float, most: int | None = None
    ) -> list[Claim]:
        return await self._remote.claim(predictions, worker=worker, lease=lease, most=most)

    async def beat(self, runs: Sequence[Running], *, worker: str, lease: float) -> list[Pulse]:
        return await self._remote.beat(runs, worker=worker, lease=lease)

    async def append(self, run: Running, reports: Sequence[Report], *, worker: str, number: int) -> bool:
        return await self._remote.append(run, reports, worker=worker, number=number)

    async def settle(self, endings: Sequence[tuple[Running, Ending]], *, worker: str) -> list[Pulse]:
        return await self._remote.settle(endings, worker=worker)

    async def announce(self, card: Card, *, worker: str, lease: float, problem: str | None = None) -> None:
        await self._remote.announce(card, worker=worker, lease=lease, problem=problem)

    async def cards(self) -> list[Listing]:
        return await self._remote.cards()

    async def running(self) -> Mapping[str, int]:
        return await self._remote.running()

    async def get(self, prediction_id: str) -> Prediction:
        return await self._remote.get(prediction_id)


@pytest.fixture
async def store(site: Served) -> AsyncIterator[Halves]:
    async with a_worker(site, *SCOPES) as (remote, _):
        yield Halves(site.store, remote)


class TestConformance(
    ClaimConformance,
    BoundConformance,
    CancelConformance,
    DeadlineConformance,
    RunsConformance,
    LogConformance,
    HistoryConformance,
    RegistryConformance,
):
    """Everything about runs and the registry that every store must do."""
