"""What nobody may who has no need of it: each of these is refused by the broker or the store itself."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeAlias

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker
from redis import Redis
from redis.exceptions import ResponseError

from leveret.backends.rabbitmq import open_broker
from leveret.backends.rabbitmq.provisioning import provision
from leveret.errors import BrokerUnavailable, ProvisionRefused
from leveret.tls import BROKER, Files
from tests.privilege.deployment import MODEL, NAMESPACE, Deployment
from tests.tls.papers import HOST

pytestmark = pytest.mark.slow

Act: TypeAlias = Callable[[BlockingChannel], object]
LANE: Final = "leveret.local.echo.0"


@pytest.fixture(scope="module", autouse=True)
def provisioned(deployment: Deployment) -> None:
    files = Files(names=BROKER, ca=deployment.papers.ca)
    asyncio.run(provision(deployment.amqp("provision"), namespace=NAMESPACE, models=[MODEL], files=files))


@contextmanager
def channel(deployment: Deployment, user: str) -> Iterator[BlockingChannel]:
    parameters = pika.URLParameters(deployment.amqp(user))
    parameters.ssl_options = pika.SSLOptions(ssl.create_default_context(cafile=deployment.papers.ca), HOST)
    connection = pika.BlockingConnection(parameters)
    try:
        opened = connection.channel()
        opened.confirm_delivery()
        yield opened
    finally:
        with suppress(AMQPError):
            connection.close()


def declares(queue: str) -> Act:
    return lambda opened: opened.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})


def deletes(queue: str) -> Act:
    return lambda opened: opened.queue_delete(queue)


def purges(queue: str) -> Act:
    return lambda opened: opened.queue_purge(queue)


def reads(queue: str) -> Act:
    return lambda opened: opened.basic_get(queue)


def publishes(exchange: str, key: str = "x") -> Act:
    return lambda opened: opened.basic_publish(exchange, key, b"{}")


@pytest.mark.parametrize(
    ("user", "act"),
    [
        ("gateway", declares("leveret.local.new.0")),
        ("gateway", deletes(LANE)),
        ("gateway", reads(LANE)),
        ("gateway", purges(LANE)),
        ("gateway", publishes("leveret.dead")),
        ("gateway", publishes("amq.direct")),
        ("worker", declares("leveret.local.new.0")),
        ("worker", deletes(LANE)),
        ("worker", reads("leveret.dead")),
        ("worker", reads("leveret.webhooks")),
        ("worker", reads("leveret.retry.1")),
        ("worker", publishes("leveret.control", "another-worker")),
        ("worker", publishes("leveret.dead")),
        ("other", reads(LANE)),
        ("other", purges(LANE)),
        ("silent", publishes("", "anybodys-queue")),
        ("producer", reads(LANE)),
        ("producer", reads("leveret.dead")),
        ("producer", publishes("leveret.retry.1")),
        ("producer", publishes("leveret.control")),
        ("producer", publishes("", LANE)),
        ("producer", declares("leveret.local.new.0")),
        ("provision", declares("another.queue")),
        ("provision", publishes("amq.direct")),
    ],
)
def test_the_broker_refuses(deployment: Deployment, user: str, act: Act) -> None:
    with channel(deployment, user) as opened, pytest.raises(ChannelClosedByBroker) as refused:
        act(opened)

    assert 403 == refused.value.reply_code


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("gateway", ("FLUSHALL",)),
        ("gateway", ("KEYS", "*")),
        ("gateway", ("SCAN", "0")),
        ("gateway", ("CONFIG", "GET", "*")),
        ("gateway", ("ACL", "LIST")),
        ("gateway", ("GET", "another:key")),
        ("gateway", ("EVAL", "return redis.call('GET', 'another:key')", "0")),
        ("gateway", ("EVAL", "return redis.call('KEYS', '*')", "0")),
        ("gateway", ("SUBSCRIBE", "another:e:1")),
        ("gateway", ("PUBLISH", "another:e:1", "x")),
        ("worker", ("HGETALL", "leveret:credentials")),
        ("worker", ("HGET", "leveret:hook-secrets", "local")),
        ("worker", ("HSET", "leveret:allowances", "local", "{}")),
        ("worker", ("HGETALL", "leveret:upload:1")),
        ("worker", ("EVAL", "return redis.call('HGETALL', 'leveret:credentials')", "0")),
        ("worker", ("SUBSCRIBE", "leveret:e:1")),
        ("worker", ("FLUSHALL",)),
        ("worker", ("CONFIG", "SET", "appendonly", "no")),
        ("silent", ("GET", "leveret:secret:file-links")),
    ],
)
def test_the_store_refuses(deployment: Deployment, user: str, command: tuple[str, ...]) -> None:
    with (
        Redis.from_url(deployment.redis(user), ssl_ca_certs=deployment.papers.ca) as client,
        pytest.raises(ResponseError, match=r"permissions|can't (run|access)"),
    ):
        client.execute_command(*command)


async def test_a_worker_of_a_model_that_was_not_provisioned_is_told_how_to_have_it_made(deployment: Deployment) -> None:
    files = Files(names=BROKER, ca=deployment.papers.ca)

    async with open_broker(deployment.amqp("other"), files=files) as broker:
        with pytest.raises(BrokerUnavailable, match="run `leveret provision --model local/nowhere` as one who may"):
            await broker.declare("local/nowhere")


async def test_only_who_may_provision_does(deployment: Deployment) -> None:
    files = Files(names=BROKER, ca=deployment.papers.ca)

    with pytest.raises(ProvisionRefused, match="`leveret permissions provision`"):
        await provision(deployment.amqp("gateway"), namespace=NAMESPACE, models=[MODEL], files=files)
