"""What every Broker must do: a suite of tests to inherit.

    class TestMyBroker(BrokerConformance): ...

in a module that provides the fixture `broker`: the opened Broker, empty at the start of each test.
The tests are coroutines: run them with pytest-asyncio in its auto mode.
"""
# ruff: noqa: D102, S101 - tests are named by sentences, and asserting is what they do

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
from msgspec.structs import replace

from leveret.core import lanes, wire
from leveret.core.ports import Broker, Deliveries
from leveret.core.prediction import Blob, Prediction, ReplyTo, Status, Trace
from leveret.errors import NoReplyQueue, QueueRefused
from leveret.testing.conformance.control import ControlConformance
from leveret.testing.conformance.errands import ErrandsConformance
from leveret.testing.conformance.guards import GuardConformance
from leveret.testing.conformance.just_in_time import JustInTimeConformance
from leveret.testing.conformance.rejected import RejectedConformance
from leveret.testing.conformance.steps import MODEL, PATIENCE, eventually, prediction, publish, take, take_one


class BrokerConformance(
    JustInTimeConformance, GuardConformance, ControlConformance, RejectedConformance, ErrandsConformance
):
    """Inherit this in a test class of a module with the fixture `broker`."""

    @pytest.mark.parametrize("ahead", [0, 1])
    async def test_a_prediction_arrives_with_every_field(self, broker: Broker, ahead: int) -> None:
        published = replace(
            prediction(),
            version="v1",
            account="acme",
            lane=2,
            deadline=1.8e9,
            input_blob=Blob("in/1", 3, "ab" * 32, "image/png"),
            attempt=3,
            reply_to=ReplyTo("answers", "17"),
            trace=Trace(f"00-{'ab' * 16}-{'cd' * 8}-01", "vendor=hare"),
        )

        await publish(broker, published)

        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            delivery = await take_one(deliveries)
            assert published == delivery.prediction
            delivery.ack()

    async def test_a_prediction_arrives_as_it_was_submitted(self, broker: Broker) -> None:
        running = replace(prediction(), status=Status.PROCESSING, attempt=2, worker="w", started_at=1.7e9, logs="a")

        await publish(broker, running)

        async with broker.consume(MODEL, ahead=1) as deliveries:
            delivery = await take_one(deliveries)
            assert wire.submitted(running) == delivery.prediction
            delivery.ack()

    async def test_a_reply_to_a_queue_that_is_not_there_says_so(self, broker: Broker) -> None:
        gone: NoReplyQueue | None = None
        try:
            await broker.reply(ReplyTo("nobody's", "17"), prediction().id, b"{}")
        except NoReplyQueue as error:
            gone = error

        assert gone is not None
        assert gone.data == {"queue": "nobody's"}

    @pytest.mark.parametrize("ahead", [0, 1])
    async def test_what_is_acknowledged_never_comes_again(self, broker: Broker, ahead: int) -> None:
        await publish(broker, prediction(1))
        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            (await take_one(deliveries)).ack()

        await publish(broker, prediction(2))

        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            delivery = await take_one(deliveries)
            assert prediction(2) == delivery.prediction
            delivery.ack()
        await eventually(lambda: broker.depth(MODEL), (0, 0, 0, 0))

    @pytest.mark.parametrize("ahead", [0, 2])
    async def test_what_was_not_acknowledged_comes_again_once_the_consumption_is_left(
        self, broker: Broker, ahead: int
    ) -> None:
        await publish(broker, prediction(1), prediction(2))
        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            await take(deliveries, 2)

        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            again = await take(deliveries, 2)

            assert {prediction(1).id, prediction(2).id} == {one.prediction.id for one in again}

    @pytest.mark.parametrize("ahead", [0, 10])
    async def test_what_was_not_taken_goes_back_once_the_consumption_is_left(self, broker: Broker, ahead: int) -> None:
        await publish(broker, *(prediction(number) for number in range(10)))

        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            (await take_one(deliveries)).ack()

        await eventually(lambda: broker.depth(MODEL), (9, 0, 0, 0))

    @pytest.mark.parametrize("ahead", [0, 20])
    async def test_a_lane_is_first_come_first_served(self, broker: Broker, ahead: int) -> None:
        published = [prediction(number) for number in range(20)]

        await publish(broker, *published)

        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            assert published == [one.prediction for one in await take(deliveries, 20)]

    @pytest.mark.parametrize("ahead", [0, 1])
    async def test_a_retry_without_delay_comes_again_in_front(self, broker: Broker, ahead: int) -> None:
        await publish(broker, prediction(1), prediction(2))

        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            await (await take_one(deliveries)).retry(0)
            again = await take_one(deliveries)
            again.ack()
            behind = await take_one(deliveries)

            assert [prediction(1), prediction(2)] == [again.prediction, behind.prediction]

    @pytest.mark.parametrize("ahead", [0, 1])
    async def test_a_retry_with_a_delay_comes_again_after_it_and_not_before(self, broker: Broker, ahead: int) -> None:
        await publish(broker, prediction(lane=1))

        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            first = await take_one(deliveries)
            began = time.monotonic()
            await first.retry(1)
            again = await take_one(deliveries)
            waited = time.monotonic() - began

            assert first.prediction == again.prediction
            assert 0.9 < waited < 5
            again.ack()
        await eventually(lambda: broker.depth(MODEL), (0, 0, 0, 0))

    async def test_a_retry_waits_in_the_broker_not_in_the_consumer(self, broker: Broker) -> None:
        await publish(broker, prediction())

        async with broker.consume(MODEL, ahead=1) as deliveries:
            await (await take_one(deliveries)).retry(1)

        async with broker.consume(MODEL, ahead=1) as deliveries:
            assert prediction() == (await take_one(deliveries)).prediction

    async def test_a_delayed_publish_comes_after_its_delay_and_not_before(self, broker: Broker) -> None:
        await broker.declare(MODEL)

        async with broker.consume(MODEL, ahead=2) as deliveries:
            began = time.monotonic()
            await broker.publish(prediction(1), delay=1)
            await broker.publish(prediction(2))
            taken = await take(deliveries, 2, most=1)
            waited = time.monotonic() - began

            assert [prediction(2), prediction(1)] == [one.prediction for one in taken]
            assert 0.9 < waited < 5

    async def test_a_model_that_was_never_declared_is_refused(self, broker: Broker) -> None:
        refused: QueueRefused | None = None
        try:
            await broker.publish(prediction(model="local/nobody"))
        except QueueRefused as error:
            refused = error

        assert refused is not None
        assert await broker.depth("local/nobody") == (0, 0, 0, 0)

    @pytest.mark.parametrize("ahead", [0, 4])
    async def test_consumers_of_one_model_share_its_predictions(self, broker: Broker, ahead: int) -> None:
        await publish(broker, *(prediction(number) for number in range(40)))
        taken: list[str] = []

        async def work(deliveries: Deliveries) -> None:
            while len(taken) < 40:
                for delivery in await deliveries.take(2):
                    taken.append(delivery.prediction.id)
                    delivery.ack()
            done.set()

        done = asyncio.Event()
        async with (
            broker.consume(MODEL, ahead=ahead) as one,
            broker.consume(MODEL, ahead=ahead) as other,
            asyncio.timeout(PATIENCE),
            asyncio.TaskGroup() as group,
        ):
            workers = [group.create_task(work(one)), group.create_task(work(other))]
            await done.wait()
            for worker in workers:
                worker.cancel()

        assert {prediction(number).id: 1 for number in range(40)} == Counter(taken)

    async def test_models_are_separate(self, broker: Broker) -> None:
        here, there = prediction(), prediction(model="acme/other")
        await publish(broker, here, there)

        async with broker.consume(MODEL, ahead=2) as mine, broker.consume("acme/other", ahead=2) as theirs:
            assert here == (await take_one(mine)).prediction
            assert there == (await take_one(theirs)).prediction

    @pytest.mark.parametrize("ahead", [0, 40])
    async def test_full_lanes_are_served_by_their_weights(self, broker: Broker, ahead: int) -> None:
        filled = [prediction(number, lane=lane) for lane in range(lanes.COUNT) for number in range(40)]
        await publish(broker, *filled)
        served: list[int] = []

        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            for _ in range(45):
                served.append((await take_one(deliveries)).prediction.lane)
                await broker.depth(MODEL)  # a round trip: what was sent to the consumer arrives meanwhile

        counted = Counter(served[15:])
        assert all(abs(counted[lane] - 2 * weight) <= 1 for lane, weight in enumerate(lanes.WEIGHTS)), counted

    @pytest.mark.parametrize("ahead", [0, 12])
    async def test_an_empty_lane_costs_the_others_nothing(self, broker: Broker, ahead: int) -> None:
        filled = [prediction(number, lane=lane) for lane in (1, 3) for number in range(6)]
        await publish(broker, *filled)

        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            taken = await take(deliveries, 12)

        assert {one.id for one in filled} == {one.prediction.id for one in taken}

    @pytest.mark.parametrize("ahead", [0, 7])
    async def test_take_answers_no_more_than_asked_for(self, broker: Broker, ahead: int) -> None:
        await publish(broker, *(prediction(number) for number in range(7)))
        sizes: list[int] = []

        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            while sum(sizes) < 7:
                async with asyncio.timeout(PATIENCE):
                    sizes.append(len(await deliveries.take(3)))

        assert all(1 <= size <= 3 for size in sizes), sizes

    @pytest.mark.parametrize("ahead", [0, 1])
    async def test_take_waits_for_the_first_prediction(self, broker: Broker, ahead: int) -> None:
        await broker.declare(MODEL)

        async with broker.consume(MODEL, ahead=ahead) as deliveries, asyncio.TaskGroup() as group:
            waiting = group.create_task(take_one(deliveries))
            await broker.depth(MODEL)
            assert not waiting.done()
            await publish(broker, prediction())

            assert prediction() == (await waiting).prediction

    @pytest.mark.parametrize("ahead", [0, 50])
    async def test_a_canceled_take_loses_nothing(self, broker: Broker, ahead: int) -> None:
        await broker.declare(MODEL)
        arrived: list[Prediction] = []

        async with broker.consume(MODEL, ahead=ahead) as deliveries:
            for number in range(20):
                waiting = asyncio.ensure_future(deliveries.take(1))
                await broker.publish(prediction(number))
                waiting.cancel()
                if await asyncio.wait([waiting]) and not waiting.cancelled():
                    arrived += [one.prediction for one in waiting.result()]
            arrived += [one.prediction for one in await take(deliveries, 20 - len(arrived))]

        assert [prediction(number) for number in range(20)] == arrived

    async def test_depth_counts_what_waits_in_each_lane(self, broker: Broker) -> None:
        await publish(broker, prediction(1), prediction(2), prediction(3, lane=2))

        await eventually(lambda: broker.depth(MODEL), (2, 0, 1, 0))

    async def test_declaring_again_changes_nothing(self, broker: Broker) -> None:
        await publish(broker, prediction())

        await broker.declare(MODEL)

        await eventually(lambda: broker.depth(MODEL), (1, 0, 0, 0))
