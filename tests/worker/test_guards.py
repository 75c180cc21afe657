"""A guard stands for what a worker holds for longer than a broker waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pika
import pytest
from msgspec.structs import replace

from leveret.core.prediction import Status
from leveret.testing.rabbitmq_server import RabbitServer
from tests.worker.arrange import GATED, PATIENCE, QUICK, Apart, let_go

pytestmark = pytest.mark.slow

GUARDED = replace(QUICK, guard_after=0.3, guard_delay=3600.0)


async def test_a_guard_is_kept_for_as_long_as_the_run_takes(apart: Apart, rabbit: RabbitServer, tmp_path: Path) -> None:
    target, gate = apart.model(GATED), str(tmp_path / "a")

    async with apart.serving(target, GUARDED), apart.serving(target, GUARDED):
        (submitted,) = await apart.submit("local/gated", {"gate": gate})
        await wait_until(partial(comes_back, rabbit, apart.namespace))
        await wait_until(partial(is_kept, rabbit, apart.namespace))  # the next one, by the other worker
        let_go(gate)
        result = await apart.result(submitted)
        await wait_until(partial(comes_back, rabbit, apart.namespace))
        async with asyncio.timeout(PATIENCE):
            while await apart.broker.depth("local/gated") != (0, 0, 0, 0):
                await asyncio.sleep(0.01)

    assert (Status.SUCCEEDED, 1) == (result.status, result.attempt)
    assert ["queued", "started", "succeeded"] == await apart.kinds(submitted)
    assert not await asyncio.to_thread(is_kept, rabbit, apart.namespace)


async def wait_until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(look):
            await asyncio.sleep(0.01)


def is_kept(rabbit: RabbitServer, namespace: str) -> bool:
    """Whether a guard waits on its rung."""
    with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as connection:
        return connection.channel().queue_declare(f"{namespace}.retry.3600", passive=True).method.message_count == 1


def comes_back(rabbit: RabbitServer, namespace: str) -> bool:
    """Let the guard come back before its time, if there is one."""
    with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as connection:
        channel = connection.channel()
        method, properties, body = channel.basic_get(f"{namespace}.retry.3600")
        if method is None or method.routing_key is None or body is None:
            return False
        channel.basic_publish(namespace, method.routing_key, body, properties)
        channel.basic_ack(method.delivery_tag or 0)
        return True
