"""What becomes of messages that a Broker has given up; part of the suite in `broker`."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import time

from leveret.core import wire
from leveret.core.ports import Broker
from leveret.testing.conformance.steps import MODEL, eventually, given_up, prediction, publish, take, take_one


class RejectedConformance:
    """reject and rejected."""

    async def test_a_rejected_delivery_is_given_up_and_the_next_one_is_served(self, broker: Broker) -> None:
        await publish(broker, prediction(1), prediction(2))

        async with broker.consume(MODEL, ahead=1) as deliveries:
            (await take_one(deliveries)).reject()
            following = await take_one(deliveries)
            following.ack()

        assert prediction(2) == following.prediction
        await eventually(lambda: given_up(broker), [prediction(1).id])
        await eventually(lambda: broker.depth(MODEL), (0, 0, 0, 0))

    async def test_what_was_given_up_says_what_it_is_and_when_and_why_it_was(self, broker: Broker) -> None:
        before = time.time()
        await _reject(broker, 1)

        async with broker.rejected(limit=10) as found:
            (rejected,) = found
            assert prediction(0) == rejected.prediction
            assert prediction(0) == wire.decode(rejected.body)
            assert "rejected" in rejected.reason
            assert int(before) <= rejected.at <= time.time()

    async def test_what_is_not_acknowledged_comes_again(self, broker: Broker) -> None:
        await _reject(broker, 3)

        async with broker.rejected(limit=10) as found:
            found[1].ack()

        await eventually(lambda: given_up(broker), [prediction(0).id, prediction(2).id])
        await eventually(lambda: given_up(broker), [])

    async def test_an_acknowledgement_that_comes_too_late_does_nothing(self, broker: Broker) -> None:
        await _reject(broker, 1)
        async with broker.rejected(limit=10) as found:
            pass

        found[0].ack()

        await eventually(lambda: given_up(broker), [prediction(0).id])

    async def test_no_more_than_the_limit_are_taken_the_oldest_first(self, broker: Broker) -> None:
        await _reject(broker, 5)

        pages = [await given_up(broker, limit=2) for _ in range(4)]

        assert [[prediction(number).id for number in page] for page in ([0, 1], [2, 3], [4], [])] == pages

    async def test_nobody_else_gets_them_meanwhile(self, broker: Broker) -> None:
        await _reject(broker, 3)

        async with broker.rejected(limit=2) as mine:
            others = await given_up(broker)
            for one in mine:
                one.ack()

        assert [prediction(2).id] == others
        await eventually(lambda: given_up(broker), [])

    async def test_when_nothing_was_given_up_there_is_nothing(self, broker: Broker) -> None:
        await publish(broker, prediction())

        assert await given_up(broker) == []


async def _reject(broker: Broker, count: int) -> None:
    """So many are rejected, and have arrived where they are kept."""
    await publish(broker, *(prediction(number) for number in range(count)))
    async with broker.consume(MODEL, ahead=count) as deliveries:
        for delivery in await take(deliveries, count):
            delivery.reject()

    async def waiting() -> int:
        async with broker.rejected(limit=count) as found:
            return len(found)

    await eventually(waiting, count)
