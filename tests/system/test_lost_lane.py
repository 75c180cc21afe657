"""A lane that is deleted takes its messages with it, but not its predictions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pika
import pytest

from leveret.backends.files import FileBlobs
from leveret.backends.rabbitmq import RabbitBroker, open_broker
from leveret.backends.redis.store import RedisStore, open_store
from leveret.config import SweeperSettings
from leveret.core.ports import Claimed
from leveret.core.prediction import Prediction
from leveret.erasure import Erasure
from leveret.rejections import Rejections
from leveret.replies import Replies
from leveret.sweeper import Sweeper
from leveret.testing.conformance.arrange import LONG, a_prediction
from leveret.testing.conformance.steps import MODEL, eventually, take_one
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from leveret.uploads import Uploads

pytestmark = pytest.mark.slow

NOW = SweeperSettings(outbox_age=0.001, hold=LONG)


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[RabbitServer, RedisServer]]:
    with RabbitServer() as rabbit, RedisServer() as redis:
        yield rabbit, redis


@pytest.fixture
async def broker(servers: tuple[RabbitServer, RedisServer], namespace: str) -> AsyncIterator[RabbitBroker]:
    async with open_broker(servers[0].url, namespace=namespace) as broker:
        await broker.declare(MODEL)
        yield broker


@pytest.fixture
async def store(servers: tuple[RabbitServer, RedisServer], namespace: str) -> AsyncIterator[RedisStore]:
    async with open_store(servers[1].url, namespace=namespace) as store:
        yield store


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> str:
    return str(request.node.name).replace("_", "-")


async def queued(store: RedisStore, broker: RabbitBroker) -> Prediction:
    """Recorded, published and confirmed."""
    prediction = await store.create(a_prediction(model=MODEL))
    await broker.publish(prediction)
    await store.published([prediction.id])
    return prediction


def delete_lane(server: RabbitServer, namespace: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(server.url)) as connection:
        connection.channel().queue_delete(f"{namespace}.local.echo.0")


def a_sweeper(store: RedisStore, broker: RabbitBroker) -> Sweeper:
    rejections = Rejections(broker=broker, store=store)
    replies = Replies(broker=broker, store=store, show=show, hold=NOW.hold)
    blobs = FileBlobs(Path("nothing is large here"))
    return Sweeper(
        upkeep=store,
        broker=broker,
        rejections=rejections,
        replies=replies,
        uploads=Uploads(files=store, blobs=blobs, hold=NOW.hold),
        erasure=Erasure(store=store, blobs=blobs),
        settings=NOW,
    )


async def show(prediction: Prediction) -> bytes:
    return prediction.id.encode()


async def test_what_waited_in_a_deleted_lane_is_queued_again_in_a_new_one(
    store: RedisStore, broker: RabbitBroker, servers: tuple[RabbitServer, RedisServer], namespace: str
) -> None:
    lost, begun = await queued(store, broker), await queued(store, broker)
    await store.claim([begun], worker="w1", lease=LONG)
    delete_lane(servers[0], namespace)
    sweeper = a_sweeper(store, broker)

    assert [1, 0] == [await sweeper.sweep(), await sweeper.sweep()]

    await eventually(lambda: broker.depth(MODEL), (1, 0, 0, 0))
    async with broker.consume(MODEL, ahead=1) as deliveries:
        delivered = (await take_one(deliveries)).prediction
    assert [Claimed(1)] == await store.claim([delivered], worker="w1", lease=LONG)
    assert lost.id == delivered.id


async def test_what_waits_in_a_lane_that_is_not_empty_is_left_alone(store: RedisStore, broker: RabbitBroker) -> None:
    await queued(store, broker)
    await eventually(lambda: broker.depth(MODEL), (1, 0, 0, 0))

    assert 0 == await a_sweeper(store, broker).sweep()

    assert (1, 0, 0, 0) == await broker.depth(MODEL)
