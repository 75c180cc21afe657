"""Workers that reach RabbitMQ and a gateway and nothing else, each with a key of its model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pika
import psutil
import pytest

from leveret.client import Client
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.system.load import Load
from tests.system.program import QUICK, Program, free_port
from tests.system.test_amqp import Asker
from tests.system.test_keys import keys

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(240)]

COUNT: Final = 1000
LARGE: Final = 300_000
MODELS: Final = """
import math
import time
from collections.abc import Iterator
from leveret import File, model

@model
def echo(n: int) -> int:
    time.sleep(0.002)
    return n

@model(reuse=60)
def flip(text: str) -> str:
    return text[::-1]

@model
def turn(file: File) -> File:
    return File(file.read()[::-1], "text/plain")

@model
def factorial(n: int) -> str:
    return str(math.factorial(n))

@model
def spell(text: str) -> Iterator[str]:
    yield from text
"""


class Site:
    """A gateway that asks for keys, on a RabbitMQ and a Redis, and what workers of it are told."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        (folder / "models.py").write_text(MODELS)
        self.folder = folder
        self._stack = stack
        self.redis = stack.enter_context(RedisServer(fsync="always"))
        self.rabbit = stack.enter_context(RabbitServer())
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {**QUICK, "LEVERET_BROKER_URL": self.rabbit.url, "LEVERET_STORE_URL": self.redis.url}
        self.key = self.made("predict")
        line = ("gateway", "--port", str(port))
        self.gateway = stack.enter_context(Program(*line, folder=folder, environment=self.environment))
        self.gateway.wait_ready()

    def made(self, scope: str) -> str:
        """A new key, once the gateway asks for keys."""
        return keys("create", "--scope", scope, folder=self.folder, environment=self.environment)

    def worker(self, model: str, *, key: str = "") -> Program:
        """A worker that is started without any password but that of RabbitMQ and its key."""
        key = key or self.made(f"worker:local/{model}")
        environment = {**QUICK, "LEVERET_BROKER_URL": self.rabbit.url, "LEVERET_STORE_URL": self.url}
        program = Program(
            "worker",
            f"models.py:{model}",
            folder=self.folder,
            environment={**environment, "LEVERET_STORE_TOKEN": key, "LEVERET_LOG_LEVEL": "debug"},
        )
        return self._stack.enter_context(program)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


def test_whatever_a_worker_has_to_say_goes_through_the_gateway(site: Site) -> None:
    workers = [site.worker(name) for name in ("flip", "turn", "spell", "factorial")]
    for worker in workers:
        worker.wait_ready()
    (site.folder / "a.txt").write_bytes(b"hare" * LARGE)
    text = "leveret" * LARGE
    with Client(site.url, token=site.key) as client:
        flipped, again = [client.submit("flip", {"text": text}).wait(60) for _ in range(2)]
        turned = client.run("turn", {"file": site.folder / "a.txt"}, timeout=60)
        spelled = "".join(map(str, client.submit("spell", {"text": "hop"}).stream()))
        content = client.download(str(turned), site.folder / "turned.txt").read_bytes()
    with pika.BlockingConnection(pika.URLParameters(site.rabbit.url)) as connection:
        asker = Asker(connection.channel())
        asker.ask({"n": 5})
        reply = asker.reply()
    ports = {
        connection.raddr.port
        for program in workers
        for connection in psutil.Process(program.process.pid).net_connections("tcp")
        if connection.raddr
    }

    assert text[::-1] == flipped.result() == again.result()
    assert (None, flipped.id) == (flipped.reused, again.reused)
    assert ("succeeded", "120") == (reply["status"], reply["output"])
    assert hashlib.sha256(b"erah" * LARGE).hexdigest() == hashlib.sha256(content).hexdigest()
    assert "hop" == spelled
    assert ports <= {int(url.rpartition(":")[2].partition("/")[0]) for url in (site.url, site.rabbit.url)}


async def test_a_gateway_that_is_killed_and_comes_back_costs_its_workers_nothing(site: Site) -> None:
    workers = [site.worker("echo") for _ in range(2)]
    for worker in workers:
        worker.wait_ready()
    load = Load(site.url, "local/echo", COUNT, key=site.key)

    async def disturb() -> None:
        site.gateway.kill()
        site.gateway.start()

    await load.submit(disturb=disturb)
    await load.results()

    for worker in workers:
        assert worker.process.poll() is None
        assert "lv_" not in worker.log


def test_a_worker_whose_key_is_for_another_model_says_so_and_ends(site: Site) -> None:
    worker = site.worker("echo", key=site.made("worker:local/turn"))

    assert 2 == worker.process.wait(60)
    assert "worker:local/echo" in worker.log


def test_a_gateway_cannot_have_a_gateway_for_its_store(site: Site) -> None:
    environment = {**site.environment, "LEVERET_STORE_URL": site.url, "LEVERET_STORE_TOKEN": site.key}
    line = ("gateway", "--port", str(free_port()))
    with Program(*line, folder=site.folder, environment=environment) as gateway:
        assert 2 == gateway.process.wait(60)

    assert "only a worker" in gateway.log
