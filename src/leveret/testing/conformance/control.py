"""What every Broker's control channel must do; part of the suite in `broker`."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio

from leveret.core.ports import Broker
from leveret.testing.conformance.steps import PATIENCE


class ControlConformance:
    """Messages to workers."""

    async def test_a_worker_hears_what_it_is_told_and_nothing_else(self, broker: Broker) -> None:
        async with broker.listen("worker-1") as messages, broker.listen("worker-2") as others:
            await broker.tell("worker-1", b"first")
            await broker.tell("worker-2", b"elsewhere")
            await broker.tell("worker-1", b"second")

            async with asyncio.timeout(PATIENCE):
                assert await anext(messages) == b"first"
                assert await anext(messages) == b"second"
                assert await anext(others) == b"elsewhere"

    async def test_telling_a_worker_that_is_gone_does_nothing(self, broker: Broker) -> None:
        await broker.tell("worker-9", b"anybody?")

        async with broker.listen("worker-9") as messages:
            await broker.tell("worker-9", b"now")

            async with asyncio.timeout(PATIENCE):
                assert await anext(messages) == b"now"
