"""What a worker shows of its health, while what it needs goes and comes back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.system.program import QUICK, Program, free_port

pytestmark = pytest.mark.slow

T = TypeVar("T")

MODELS = """
from pathlib import Path
from leveret import model

@model
def double(n: int) -> int:
    return 2 * n

@model
class Late:
    def setup(self) -> None:
        with Path("gate").open() as gate:
            gate.read()

    def predict(self, n: int) -> int:
        return n

@model
class Broken:
    def setup(self) -> None:
        raise OSError("no weights on this disk")

    def predict(self, n: int) -> int:
        return n
"""


class Shown:
    """A worker's probes."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self._url + path, timeout=10)

    def ready(self) -> int:
        return self.get("/health/ready").status_code

    def metrics(self) -> str:
        return self.get("/metrics").text


def eventually(look: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    until = time.monotonic() + 30
    while not wanted(found := look()):
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def rabbit() -> Iterator[RabbitServer]:
    with RabbitServer() as rabbit:
        yield rabbit


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as redis:
        yield redis


def worker(name: str, port: int, folder: Path, *, rabbit: RabbitServer, redis: RedisServer) -> Program:
    (folder / "app.py").write_text(MODELS)
    urls = {"LEVERET_BROKER_URL": rabbit.url, "LEVERET_STORE_URL": redis.url}
    flags = ("--worker-health-port", str(port))
    return Program("worker", f"app.py:{name}", *flags, folder=folder, environment={**QUICK, **urls})


def listening(program: Program, shown: Shown) -> None:
    def answers() -> bool:
        assert program.process.poll() is None, program.log
        try:
            return shown.get("/health/live").status_code == 200
        except httpx2.TransportError:
            return False

    eventually(answers, bool)


def test_a_worker_is_ready_while_its_broker_and_its_store_are_there(
    tmp_path: Path, rabbit: RabbitServer, redis: RedisServer
) -> None:
    port = free_port()
    shown = Shown(port)
    with worker("double", port, tmp_path, rabbit=rabbit, redis=redis) as program:
        program.wait_ready()
        eventually(shown.ready, lambda status: status == 200)

        redis.signal(signal.SIGSTOP)
        eventually(shown.ready, lambda status: status == 503)
        without_store = shown.get("/health/ready").json()
        alive = shown.get("/health/live").status_code
        redis.signal(signal.SIGCONT)
        eventually(shown.ready, lambda status: status == 200)

        rabbit.ctl("stop_app")
        eventually(shown.ready, lambda status: status == 503)
        without_broker = shown.get("/health/ready").json()
        rabbit.ctl("start_app")
        eventually(shown.ready, lambda status: status == 200)

        metrics = shown.metrics()

    assert ("sign of life" in without_store["store"], 200) == (True, alive)
    assert "does not arrive" in without_broker["queue"]
    assert "leveret_ready 1.0" in metrics
    assert 'leveret_phase_seconds_count{model="local/double",phase="setup"} 1.0' in metrics
    with pytest.raises(httpx2.TransportError):
        shown.get("/health/live")


def test_a_worker_is_ready_only_once_its_model_is_set_up(
    tmp_path: Path, rabbit: RabbitServer, redis: RedisServer
) -> None:
    port = free_port()
    shown = Shown(port)
    os.mkfifo(tmp_path / "gate")
    with worker("Late", port, tmp_path, rabbit=rabbit, redis=redis) as program:
        listening(program, shown)
        before = shown.get("/health/ready")
        (tmp_path / "gate").write_text("go")
        program.wait_ready()
        after = eventually(shown.ready, lambda status: status == 200)

    assert (503, 200) == (before.status_code, after)
    assert "not set up yet" in before.json()["model"]


def test_a_worker_whose_model_cannot_be_set_up_says_why(
    tmp_path: Path, rabbit: RabbitServer, redis: RedisServer
) -> None:
    port = free_port()
    shown = Shown(port)
    with worker("Broken", port, tmp_path, rabbit=rabbit, redis=redis) as program:
        listening(program, shown)
        found = eventually(lambda: shown.get("/health/ready").json(), lambda found: "weights" in found.get("model", ""))
        live = shown.get("/health/live").status_code

    assert ("not ready", 200) == (found["status"], live)


def test_what_ran_is_counted_by_the_worker_and_by_the_gateway(
    tmp_path: Path, rabbit: RabbitServer, redis: RedisServer
) -> None:
    port, probes = free_port(), free_port()
    urls = {"LEVERET_BROKER_URL": rabbit.url, "LEVERET_STORE_URL": redis.url, "LEVERET_NAMESPACE": "counted"}
    (tmp_path / "app.py").write_text(MODELS)
    environment = {**QUICK, **urls}
    flags = ("--worker-health-port", str(probes))
    with (
        Program("gateway", "--port", str(port), folder=tmp_path, environment=environment) as gateway,
        Program("worker", "app.py:double", *flags, folder=tmp_path, environment=environment) as served,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        gateway.wait_ready()
        served.wait_ready()
        made = [
            client.post("/v1/models/local/double/predictions", json={"input": {"n": n}}, headers={"Prefer": "wait"})
            for n in range(5)
        ]
        of_gateway, of_worker = client.get("/metrics").text, Shown(probes).metrics()
        elsewhere = Shown(probes).get("/v1/predictions")

    assert ["succeeded"] * 5 == [answer.json()["status"] for answer in made]
    for phase in ("queued", "run"):
        assert f'leveret_phase_seconds_count{{model="local/double",phase="{phase}"}} 5.0' in of_worker
    assert 'leveret_predictions_ended_total{model="local/double",status="succeeded"} 5.0' in of_worker
    assert 'leveret_connections_opened_total{to="store"}' in of_worker
    assert 'leveret_phase_seconds_count{model="local/double",phase="delivery"} 5.0' in of_gateway
    assert 'leveret_workers{model="local/double"} 1.0' in of_gateway
    assert 404 == elsewhere.status_code
