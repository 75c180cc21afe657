"""What every Broker must do for runs that take long; part of the suite in `broker`."""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

from leveret.core.ports import Broker
from leveret.testing.conformance.steps import MODEL, eventually, prediction, publish, take_one


class GuardConformance:
    """Guards: at every instant there is a message of what is in a worker's hand."""

    async def test_a_guard_copy_outlives_the_acknowledged_original(self, broker: Broker) -> None:
        await publish(broker, prediction())

        async with broker.consume(MODEL, ahead=1) as deliveries:
            original = await take_one(deliveries)
            await broker.publish(original.prediction, delay=1)
            original.ack()
            copy = await take_one(deliveries)

            assert original.prediction == copy.prediction

    async def test_a_guarded_delivery_comes_again_when_its_consumer_is_gone(self, broker: Broker) -> None:
        await publish(broker, prediction(lane=1))
        async with broker.consume(MODEL, ahead=0) as deliveries:
            held = await take_one(deliveries)
            await held.guard(1)
            await held.guard(1)

        async with broker.consume(MODEL, ahead=0) as deliveries:
            again = await take_one(deliveries)
            assert held.prediction == again.prediction
            again.ack()
        await eventually(lambda: broker.depth(MODEL), (0, 0, 0, 0))

    async def test_a_guarded_delivery_that_is_given_back_comes_again_at_once(self, broker: Broker) -> None:
        await publish(broker, prediction(lane=1))

        async with broker.consume(MODEL, ahead=0) as deliveries:
            held = await take_one(deliveries)
            await held.guard(3600)
            await held.retry(0)

            assert held.prediction == (await take_one(deliveries)).prediction
