"""What every Broker must do when nothing may be sent ahead; part of the suite in `broker`."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
from collections import Counter

from leveret.core import lanes
from leveret.core.ports import Broker
from leveret.testing.conformance.steps import MODEL, eventually, prediction, publish, take, take_one


class JustInTimeConformance:
    """What `ahead` means: with 0 no delivery waits in a busy consumer while another one is idle."""

    async def test_a_busy_consumer_holds_nothing_that_an_idle_one_could_take(self, broker: Broker) -> None:
        await publish(broker, prediction(0))
        waiting = [prediction(number, lane=lane) for lane in range(lanes.COUNT) for number in (1, 2)]

        async with broker.consume(MODEL, ahead=0) as busy, broker.consume(MODEL, ahead=0) as idle:
            await take_one(busy)
            await publish(broker, *waiting)

            await eventually(lambda: broker.depth(MODEL), (2, 2, 2, 2))
            assert {one.id for one in waiting} == {one.prediction.id for one in await take(idle, 8, most=1)}

    async def test_of_a_burst_while_one_waits_all_the_rest_goes_to_whoever_asks(self, broker: Broker) -> None:
        await broker.declare(MODEL)
        burst = [prediction(number, lane=lane) for lane in range(lanes.COUNT) for number in range(3)]

        async with broker.consume(MODEL, ahead=0) as busy, broker.consume(MODEL, ahead=0) as idle:
            waiting = asyncio.ensure_future(take_one(busy))
            await asyncio.gather(*[broker.publish(one) for one in burst])
            taken = [await waiting, *await take(idle, len(burst) - 1, most=1)]

            assert {one.id for one in burst} == {one.prediction.id for one in taken}

    async def test_a_take_that_was_canceled_keeps_nothing_from_the_others(self, broker: Broker) -> None:
        await broker.declare(MODEL)

        async with broker.consume(MODEL, ahead=0) as left, broker.consume(MODEL, ahead=0) as idle:
            for number in range(24):
                waiting = asyncio.ensure_future(left.take(5))
                publishing = asyncio.ensure_future(broker.publish(prediction(number, lane=number % lanes.COUNT)))
                for _ in range(number // 3):  # so many round trips later it is at another point
                    await broker.depth(MODEL)
                waiting.cancel()
                await asyncio.wait([waiting, publishing])
                (taken,) = await take(idle, 1) if waiting.cancelled() else waiting.result()
                taken.ack()

        await eventually(lambda: broker.depth(MODEL), (0, 0, 0, 0))

    async def test_a_batch_is_what_waits_by_the_weights_of_the_lanes(self, broker: Broker) -> None:
        await publish(broker, *(prediction(number, lane=lane) for lane in range(lanes.COUNT) for number in range(20)))

        async with broker.consume(MODEL, ahead=0) as deliveries:
            batch = await take(deliveries, 15, most=15)

        assert dict(enumerate(lanes.WEIGHTS)) == Counter([one.prediction.lane for one in batch])

    async def test_what_is_in_hand_is_still_to_be_dealt_with_while_more_is_taken(self, broker: Broker) -> None:
        await publish(broker, *(prediction(number) for number in range(3)))

        async with broker.consume(MODEL, ahead=0) as deliveries:
            held = await take(deliveries, 3, most=1)
            waiting = asyncio.ensure_future(deliveries.take(1))
            for delivery in held:
                delivery.ack()
            await broker.publish(prediction(4, lane=2))
            (await waiting)[0].ack()

        await eventually(lambda: broker.depth(MODEL), (0, 0, 0, 0))

    async def test_what_may_be_sent_ahead_can_be_taken_before_any_of_it_is_dealt_with(self, broker: Broker) -> None:
        await publish(broker, *(prediction(number) for number in range(6)))

        async with broker.consume(MODEL, ahead=6) as deliveries:
            assert len(await take(deliveries, 6, most=1)) == 6
