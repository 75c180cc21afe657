"""A deployment in which everybody has only the rights of its role works as a whole, by TLS everywhere."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import time

import pika
import pytest

from leveret.client import AsyncClient
from leveret.errors import PredictionNotFound
from tests.privilege.deployment import MODEL, Deployment
from tests.system.program import QUICK, Program, free_port
from tests.tls.papers import HOST
from tests.webhooks.receiver import receiving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

LARGE = 300_000
ALLOWING = QUICK | {"LEVERET_OUTBOUND_ALLOW_HTTP": "true", "LEVERET_OUTBOUND_ALLOW": "127.0.0.1/32"}


@pytest.fixture(scope="module", params=["worker", "silent"])
def gateway(
    deployment: Deployment, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where the gateway is; its worker is this user."""
    folder, port, certificate = tmp_path_factory.mktemp("app"), free_port(), deployment.papers.sign("gateway")
    shutil.copy(Path(__file__).parent / "app.py", folder)
    provision(deployment, folder)
    with deployment.admin() as admin:
        admin.execute_command("ACL", "LOG", "RESET")
    flags = ("--port", str(port), "--tls-certificate", certificate, "--base-url", f"https://{HOST}:{port}")
    silence = {"LEVERET_WORKER_REPLIES": "false"} if request.param == "silent" else {}
    with ExitStack() as stack:
        for user, command in (("gateway", ("gateway", *flags)), (str(request.param), ("worker", "app.py:echo"))):
            environment = {**ALLOWING, **deployment.environment(user), **silence}
            stack.enter_context(Program(*command, folder=folder, environment=environment)).wait_ready()
        yield f"https://{HOST}:{port}"


def provision(deployment: Deployment, folder: Path) -> None:
    environment = deployment.environment("provision")
    with Program("provision", "--model", MODEL, folder=folder, environment=environment) as provisioning:
        assert 0 == provisioning.process.wait(60), provisioning.log


async def test_everything_that_is_offered_works_and_nobody_was_refused_anything(
    deployment: Deployment, gateway: str
) -> None:
    async with AsyncClient(gateway, ca=deployment.papers.ca) as client, receiving() as receiver:
        hooked = await client.submit("echo", {"text": "hello"}, webhook=receiver.url, idempotency_key=uuid.uuid4().hex)
        assert ["hello"] == [chunk async for chunk in hooked.stream()]
        await receiver.wait(1)

        large = await client.submit("echo", {"text": "y" * LARGE, "size": LARGE})
        assert "succeeded" == (await large.wait(60)).status
        await client.delete(large.id)
        with pytest.raises(PredictionNotFound):
            await client.get(large.id)

        running = await client.submit("echo", {"text": "long", "seconds": 60.0}, cancel_after=600)
        async for _ in running.events():
            break
        await running.cancel()
        assert "canceled" == (await running.wait(60)).status

        failing = await client.submit("echo", {"text": "fail"})
        assert ("succeeded", 2) == ((ended := await failing.wait(60)).status, ended.attempt)

        again = await client.retry(hooked.id)
        assert "succeeded" == (await again.wait(60)).status
        assert [MODEL.partition("/")[2]] == [model.name for model in await client.models()]
        assert await client.queues()

    with deployment.admin() as admin:
        assert [] == admin.execute_command("ACL", "LOG")


async def test_a_program_publishes_and_gets_its_reply(deployment: Deployment, gateway: str) -> None:
    ended = await asyncio.to_thread(ask, deployment)

    assert ("succeeded", ["over AMQP"]) == (ended["status"], ended["output"])


def ask(deployment: Deployment) -> dict[str, object]:
    """What a producer gets for a message."""
    parameters = pika.URLParameters(deployment.amqp("producer"))
    parameters.ssl_options = pika.SSLOptions(ssl.create_default_context(cafile=deployment.papers.ca), HOST)
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.confirm_delivery()
    replies = str(channel.queue_declare("", exclusive=True).method.queue)
    message = {"id": uuid.uuid4().hex, "model": MODEL, "input": {"text": "over AMQP"}, "created_at": time()}
    properties = pika.BasicProperties(content_type="application/json", delivery_mode=2, reply_to=replies)
    channel.basic_publish("leveret", "local.echo.0", json.dumps(message).encode(), properties, mandatory=True)
    for _, _, body in channel.consume(replies, auto_ack=True, inactivity_timeout=60):
        connection.close()
        assert body is not None
        found: dict[str, object] = json.loads(body)
        return found
    raise AssertionError("no reply")
