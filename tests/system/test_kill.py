"""kill -9 of every part in mid-load: every accepted prediction succeeds exactly once, none lost, none stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.system.load import Load
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(240)]

COUNT = 2000
MODEL = """
import time
from leveret import model

@model
def echo(n: int) -> int:
    time.sleep(0.002)
    return n
"""


class Parts:
    """A gateway and two workers on a RabbitMQ and a Redis of their own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        (folder / "echo.py").write_text(MODEL)
        # With `everysec` Redis may answer before it has written while an earlier sync is slow.
        self.redis = stack.enter_context(RedisServer(fsync="always"))
        self.rabbit = stack.enter_context(RabbitServer())
        self.port = free_port()
        environment = {**QUICK, "LEVERET_BROKER_URL": self.rabbit.url, "LEVERET_STORE_URL": self.redis.url}
        self.gateway = stack.enter_context(
            Program("gateway", "--port", str(self.port), folder=folder, environment=environment)
        )
        self.workers = [
            stack.enter_context(Program("worker", "echo.py", folder=folder, environment=environment)) for _ in range(2)
        ]
        for program in [self.gateway, *self.workers]:
            program.wait_ready()
        self.rabbit.flush()  # RabbitMQ 3.10 itself writes down late that a queue exists
        self.load = Load(f"http://127.0.0.1:{self.port}", "local/echo", COUNT)


@contextmanager
def running(folder: Path) -> Iterator[Parts]:
    with ExitStack() as stack:
        yield Parts(folder, stack)


async def test_a_killed_worker_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as parts:

        async def disturb() -> None:
            parts.workers[0].kill()
            parts.workers[0].start()

        await parts.load.submit(disturb=disturb)
        await parts.load.results()


async def test_a_killed_gateway_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as parts:

        async def disturb() -> None:
            parts.gateway.kill()
            parts.gateway.start()

        await parts.load.submit(disturb=disturb)
        await parts.load.results()


async def test_a_killed_rabbitmq_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as parts:

        async def disturb() -> None:
            await asyncio.to_thread(parts.rabbit.kill)
            await asyncio.to_thread(parts.rabbit.start)

        await parts.load.submit(disturb=disturb)
        await parts.load.results()


async def test_a_killed_redis_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as parts:

        async def disturb() -> None:
            await asyncio.to_thread(parts.redis.kill)
            await asyncio.to_thread(parts.redis.start)

        await parts.load.submit(disturb=disturb)
        await parts.load.results()


async def test_a_killed_embedded_server_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(MODEL)
    port = free_port()
    with Program("serve", "echo.py", "--port", str(port), folder=tmp_path) as server:
        server.wait_ready()
        load = Load(f"http://127.0.0.1:{port}", "local/echo", COUNT)

        async def disturb() -> None:
            server.kill()
            server.start()

        await load.submit(disturb=disturb)
        await load.results()
