"""`leveret autoscale` as people run it: with a gateway, RabbitMQ and Redis, and workers that are processes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
import pytest

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.system.load import Load
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(300)]

PATIENCE = 90.0
MODEL = """
import time
from leveret import model

@model
def echo(n: int) -> int:
    time.sleep(0.2)
    return n
"""


@dataclass
class Site:
    """A gateway, and the environment of what works for it in this folder."""

    url: str
    folder: Path
    environment: dict[str, str]

    def autoscale(self, *options: str) -> Program:
        line = ("autoscale", "local/echo=echo.py", "--url", self.url, "--max", "2", "--period", "0.2", *options)
        return Program(*line, folder=self.folder, environment=self.environment)

    async def alive(self, wanted: Callable[[int], bool]) -> int:
        """How many workers show that they are alive, as soon as these are so many."""
        async with asyncio.timeout(PATIENCE), httpx2.AsyncClient(base_url=self.url, timeout=20) as client:
            while True:
                queues = (await client.get("/admin/v1/queues")).json()["results"]
                count = sum(int(queue["workers"]) for queue in queues)
                if queues and wanted(count):
                    return count
                await asyncio.sleep(0.1)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "echo.py").write_text(MODEL)
    with ExitStack() as stack:
        redis, rabbit = stack.enter_context(RedisServer()), stack.enter_context(RabbitServer())
        environment = {**QUICK, "LEVERET_BROKER_URL": rabbit.url, "LEVERET_STORE_URL": redis.url}
        port = free_port()
        gateway = Program("gateway", "--port", str(port), folder=tmp_path, environment=environment)
        stack.enter_context(gateway).wait_ready()
        yield Site(f"http://127.0.0.1:{port}", tmp_path, environment)


def workers(program: Program) -> list[psutil.Process]:
    """The workers that it has, the oldest first."""
    return sorted(psutil.Process(program.process.pid).children(), key=lambda worker: worker.create_time())


async def replaced(program: Program, killed: psutil.Process) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(found := workers(program)) < 2 or killed in found:
            await asyncio.sleep(0.05)


async def test_a_backlog_brings_up_workers_and_emptiness_takes_them_down_and_nothing_is_lost(site: Site) -> None:
    with site.autoscale("--target-wait", "1", "--patience", "2") as program:
        assert 1 == await site.alive(lambda count: count == 1)  # nobody has ever announced the model
        await site.alive(lambda count: count == 0)

        load = Load(site.url, "local/echo", count=150)

        async def disturb() -> None:
            await site.alive(lambda count: count == 2)
            killed = workers(program)[0]
            killed.kill()
            await replaced(program, killed)

        await load.submit(disturb=disturb)
        await load.results()
        await site.alive(lambda count: count == 0)
        async with asyncio.timeout(PATIENCE):
            while workers(program):
                await asyncio.sleep(0.05)

        assert 0 == await asyncio.to_thread(program.terminate)
        assert "killed by SIGKILL" in program.log


async def test_signals_are_passed_on_and_what_runs_is_finished(site: Site) -> None:
    with site.autoscale("--min", "2") as program:
        await site.alive(lambda count: count == 2)
        load = Load(site.url, "local/echo", count=4)

        async def nothing() -> None:
            return

        await load.submit(disturb=nothing)
        had = workers(program)
        program.process.send_signal(signal.SIGINT)

        assert 0 == await asyncio.to_thread(program.process.wait, 60)
        assert not any(worker.is_running() for worker in had)
        assert program.log.count('"how": "exit code 0"') == 2


async def test_workers_end_with_the_autoscaler_however_that_ends(site: Site) -> None:
    with site.autoscale("--min", "1", "--max", "1") as program:
        await site.alive(lambda count: count == 1)
        (worker,) = workers(program)

        program.kill()

        assert 0 == len(await asyncio.to_thread(lambda: psutil.wait_procs([worker], timeout=30)[1]))
        await site.alive(lambda count: count == 0)


async def test_without_a_gateway_there_are_as_many_as_there_are_at_least(tmp_path: Path) -> None:
    nothing_there = {**QUICK, "LEVERET_BROKER_URL": "amqp://127.0.0.1:1", "LEVERET_STORE_URL": "redis://127.0.0.1:1"}
    (tmp_path / "echo.py").write_text(MODEL)
    line = ("autoscale", "local/echo=echo.py", "--url", "http://127.0.0.1:1", "--max", "3", "--min", "1")
    with Program(*line, folder=tmp_path, environment=nothing_there) as program:
        async with asyncio.timeout(PATIENCE):
            while not workers(program):
                await asyncio.sleep(0.05)

        assert 1 == len(workers(program))
        assert 0 == await asyncio.to_thread(program.terminate)
        assert "does not answer yet" in program.log


async def test_embedded_there_is_nothing_to_scale(tmp_path: Path) -> None:
    with Program("autoscale", "local/echo=echo.py", "--max", "3", folder=tmp_path) as program:
        assert 2 == await asyncio.to_thread(program.process.wait, 30)
        assert "LEVERET_BROKER_URL" in program.log


async def test_a_gateway_that_refuses_to_answer_ends_it_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(MODEL)
    nothing_there = {**QUICK, "LEVERET_BROKER_URL": "amqp://127.0.0.1:1", "LEVERET_STORE_URL": "redis://127.0.0.1:1"}
    port = free_port()
    with Program("keys", "create", "--scope", "metrics", folder=tmp_path) as keys:
        keys.process.wait(30)
    with Program("serve", "echo.py", "--port", str(port), folder=tmp_path) as server:
        server.wait_ready()
        line = ("autoscale", "local/echo=echo.py", "--url", f"http://127.0.0.1:{port}", "--max", "3", "--min", "1")

        with Program(*line, folder=tmp_path, environment=nothing_there) as program:
            assert 1 == await asyncio.to_thread(program.process.wait, 30)
            assert "unauthenticated" in program.log
            assert "worker started" not in program.log
