"""Runs that take longer than RabbitMQ waits for an acknowledgement, on a Redis that loses all its data meanwhile."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TypeAlias

import httpx2
import pika
import pytest
from redis.asyncio import Redis

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(420)]

Shown: TypeAlias = dict[str, object]

PATIENCE: Final = 60.0

ENVIRONMENT: Final = {
    **QUICK,
    "LEVERET_WORKER_LEASE": "15",
    "LEVERET_WORKER_BEAT": "1",
    "LEVERET_WORKER_GUARD_AFTER": "15",
    "LEVERET_WORKER_GUARD_DELAY": "15",
}
ACK_TIMEOUT: Final = "consumer_timeout = 60000"
"""The shortest that RabbitMQ supports; it looks once a minute."""

MODEL: Final = """
import os, time
from leveret import model

@model
def NAME(gate: str) -> int:
    with open(f"{gate}.runs", "a") as runs:
        runs.write("x")
    while not os.path.exists(f"{gate}.open"):
        time.sleep(0.05)
    return os.path.getsize(f"{gate}.runs")
"""


class Parts:
    """A gateway, two workers of the model `long` and one of `doomed`, on a RabbitMQ that soon loses its patience."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        for name in ("long", "doomed"):
            (folder / f"{name}.py").write_text(MODEL.replace("NAME", name))
        self.rabbit = stack.enter_context(RabbitServer(settings=[ACK_TIMEOUT]))
        self.redis = stack.enter_context(RedisServer())
        self._folder = folder
        self._stack = stack
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.workers: list[Program] = []
        self._start("gateway", "--port", str(port))
        self.busy, self.idle, self.doomed = [self.worker(name) for name in ("long.py", "long.py", "doomed.py")]

    def worker(self, target: str) -> Program:
        self.workers.append(self._start("worker", target))
        return self.workers[-1]

    def _start(self, *arguments: str) -> Program:
        urls = {"LEVERET_BROKER_URL": self.rabbit.url, "LEVERET_STORE_URL": self.redis.url}
        program = Program(*arguments, folder=self._folder, environment=ENVIRONMENT | urls)
        return self._stack.enter_context(program).wait_ready()


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    with ExitStack() as stack:
        yield Parts(tmp_path, stack)


async def test_a_run_may_outlast_the_patience_of_the_broker_and_the_memory_of_the_store(
    parts: Parts, tmp_path: Path
) -> None:
    async with httpx2.AsyncClient(base_url=parts.url, timeout=20) as client:
        long, doomed = [await submitted(client, name, str(tmp_path / name)) for name in ("long", "doomed")]
        for path in (long, doomed):
            await shows(client, path, "processing")
        outlived = asyncio.create_task(asyncio.to_thread(outlive, parts.rabbit))

        # Nothing but its guard knows of `doomed` when this has happened.
        await until(lambda: guards(parts.rabbit) == 2)
        parts.doomed.kill()
        async with Redis.from_url(parts.redis.url) as redis:
            await redis.flushall()
        await shows(client, long, "processing")
        parts.worker("doomed.py")
        await shows(client, doomed, "processing")
        (tmp_path / "doomed.open").touch()
        again = await shows(client, doomed, "succeeded")

        await outlived  # and so would what the workers hold, which is older, were it not guarded
        (tmp_path / "long.open").touch()
        once = await shows(client, long, "succeeded")
        kinds = await events(client, long)

    assert (1, 2) == (once["output"], again["output"])
    assert ["queued", "started", "succeeded"] == kinds
    assert [] == [worker.log for worker in parts.workers if "timed out" in worker.log]


async def submitted(client: httpx2.AsyncClient, name: str, gate: str) -> str:
    """Where the prediction is."""
    created = await client.post(f"/v1/models/local/{name}/predictions", json={"input": {"gate": gate}})
    return f"/v1/predictions/{created.json()['id']}"


async def shows(client: httpx2.AsyncClient, path: str, status: str) -> Shown:
    """The prediction as soon as it has this status."""
    async with asyncio.timeout(PATIENCE):
        while (shown := (await client.get(path)).json()).get("status") != status:
            await asyncio.sleep(0.1)
    found: Shown = shown
    return found


async def events(client: httpx2.AsyncClient, path: str) -> list[str]:
    lines = (await client.get(f"{path}/events")).text.splitlines()
    return [json.loads(line.removeprefix("data: "))["type"] for line in lines if line.startswith("data: ")]


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(look):
            await asyncio.sleep(0.1)


def guards(rabbit: RabbitServer) -> int:
    """How many guards wait."""
    with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as connection:
        return connection.channel().queue_declare("leveret.retry.15", passive=True).method.message_count


def outlive(rabbit: RabbitServer) -> None:
    """Hold a delivery until the broker has lost its patience with it."""
    with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as connection:
        channel = connection.channel()
        channel.queue_declare("held", durable=True, arguments={"x-queue-type": "quorum"})
        channel.basic_publish("", "held", b"")
        channel.basic_consume("held", lambda *_: None)
        while channel.is_open:
            connection.process_data_events(time_limit=1.0)
