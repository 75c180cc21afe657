"""What the queue of webhooks must do; part of the suite in `broker`."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from leveret.core.hooks import ErrandInHand
from leveret.core.ports import Queues
from leveret.testing.conformance.steps import MODEL, PATIENCE, eventually, given_up, prediction, publish, take_one

DELAY: Final = 1.0
"""The shortest rung, in seconds."""


class ErrandsConformance:
    """send and errands."""

    async def test_an_errand_arrives_as_it_was_sent(self, broker: Queues) -> None:
        await broker.send(b'{"type":"\xc3\xaf"}')

        async with broker.errands(capacity=1) as errands:
            errand = await _next(errands)
            assert errand.body == b'{"type":"\xc3\xaf"}'
            errand.ack()

    async def test_an_errand_that_is_acknowledged_never_comes_again(self, broker: Queues) -> None:
        await _send(broker, 2)
        async with broker.errands(capacity=2) as errands:
            first = await _next(errands)
            first.ack()

        async with broker.errands(capacity=2) as errands:
            assert (await _next(errands)).body == b"1"

    async def test_what_has_not_ended_comes_again(self, broker: Queues) -> None:
        await _send(broker, 2)
        async with broker.errands(capacity=2) as errands:
            await _next(errands)

        async with broker.errands(capacity=2) as errands:
            assert {b"0", b"1"} == {(await _next(errands)).body for _ in range(2)}

    async def test_what_is_given_back_comes_again(self, broker: Queues) -> None:
        await _send(broker, 1)
        async with broker.errands(capacity=1) as errands:
            (await _next(errands)).give_back()

            again = await _next(errands)
            again.ack()

        assert again.body == b"0"

    async def test_no_more_than_the_capacity_are_in_the_hand(self, broker: Queues) -> None:
        await _send(broker, 4)

        async with broker.errands(capacity=2) as one:
            held = [await _next(one) for _ in range(2)]
            async with broker.errands(capacity=4) as other:
                assert len({(await _next(other)).body for _ in range(2)}) == 2
            held[0].ack()
            assert (await _next(one)).body in {b"2", b"3"}

    async def test_what_is_delayed_comes_later(self, broker: Queues) -> None:
        began = time.time()
        await broker.send(b"late", delay=DELAY)
        await broker.send(b"now")

        async with broker.errands(capacity=2) as errands:
            assert [(await _next(errands)).body for _ in range(2)] == [b"now", b"late"]

        assert time.time() - began >= DELAY * 0.99

    async def test_what_is_rejected_is_given_up(self, broker: Queues) -> None:
        await _send(broker, 1)
        async with broker.errands(capacity=1) as errands:
            (await _next(errands)).reject()

        await eventually(lambda: given_up(broker), ["0"])

    async def test_ending_an_errand_after_its_consumer_has_left_does_nothing(self, broker: Queues) -> None:
        await _send(broker, 1)
        async with broker.errands(capacity=1) as errands:
            errand = await _next(errands)

        errand.ack()
        errand.give_back()
        errand.reject()

        async with broker.errands(capacity=1) as errands:
            assert (await _next(errands)).body == b"0"

    async def test_errands_and_predictions_keep_apart(self, broker: Queues) -> None:
        await publish(broker, prediction())
        await _send(broker, 1)

        async with broker.consume(MODEL, ahead=0) as deliveries, broker.errands(capacity=1) as errands:
            assert prediction() == (await take_one(deliveries)).prediction
            assert (await _next(errands)).body == b"0"


async def _send(broker: Queues, count: int) -> None:
    for number in range(count):
        await broker.send(b"%d" % number)


async def _next(errands: AsyncIterator[ErrandInHand]) -> ErrandInHand:
    async with asyncio.timeout(PATIENCE):
        return await anext(errands)
