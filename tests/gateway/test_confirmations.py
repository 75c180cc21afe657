"""Clearing the outbox behind the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from leveret.errors import StoreUnavailable
from leveret.gateway import confirmations
from leveret.gateway.confirmations import Confirmations
from tests.gateway.served import PATIENCE


class Outbox:
    """Keeps the calls; fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[list[str]] = []
        self._failures = failures
        self._called = asyncio.Condition()

    async def published(self, prediction_ids: Sequence[str]) -> None:
        async with self._called:
            self.calls.append(list(prediction_ids))
            self._called.notify_all()
        if len(self.calls) <= self._failures:
            raise StoreUnavailable(reason="it was switched off")

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE), self._called:
            await self._called.wait_for(lambda: len(self.calls) >= count)


@asynccontextmanager
async def running(outbox: Outbox) -> AsyncIterator[Confirmations]:
    confirming = Confirmations(outbox=outbox)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(confirming.run())
        yield confirming
        task.cancel()


async def test_what_is_confirmed_within_a_moment_is_one_call() -> None:
    outbox = Outbox()
    async with running(outbox) as confirming:
        for prediction_id in ("a", "b", "c"):
            confirming.add(prediction_id)
        await outbox.until(1)

    assert [["a", "b", "c"]] == outbox.calls


async def test_what_is_confirmed_last_is_cleared_at_the_end() -> None:
    outbox = Outbox()
    async with running(outbox) as confirming:
        await asyncio.sleep(0)
        confirming.add("a")

    assert [["a"]] == outbox.calls


async def test_a_store_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmations, "_PAUSE", 0.0)
    outbox = Outbox(failures=1)
    async with running(outbox) as confirming:
        confirming.add("a")
        await outbox.until(1)
        confirming.add("b")
        await outbox.until(2)

    assert [["a"], ["a", "b"]] == outbox.calls


async def test_no_more_is_remembered_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmations, "LIMIT", 2)
    outbox = Outbox()
    async with running(outbox) as confirming:
        for prediction_id in ("a", "b", "c"):
            confirming.add(prediction_id)
        await outbox.until(1)

    assert [["a", "b"]] == outbox.calls
