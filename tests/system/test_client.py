"""The client against real servers that are killed while it streams."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from leveret.client import Client, Prediction
from leveret.errors import StreamReset
from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

COUNT: Final = 200
MODEL: Final = """
import time
from collections.abc import Iterator
from pathlib import Path
from leveret import model

@model
def count(to: int, gate: str) -> Iterator[int]:
    for number in range(to):
        if number == to // 2:
            while not Path(gate).exists():
                time.sleep(0.005)
        yield number

@model
def double(n: int) -> int:
    return 2 * n
"""


def test_a_stream_goes_on_exactly_when_its_gateway_is_killed_on_rabbitmq_and_redis(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(MODEL)
    gate, port = tmp_path / "gate", free_port()
    with RedisServer() as redis:
        urls = QUICK | {**rabbit.a_namespace(), "LEVERET_STORE_URL": redis.url}
        with (
            Program("gateway", "--port", str(port), folder=tmp_path, environment=urls) as gateway,
            Program("worker", "app.py:count", "app.py:double", folder=tmp_path, environment=urls) as worker,
            Client(f"http://127.0.0.1:{port}", patience=60) as client,
        ):
            gateway.wait_ready()
            worker.wait_ready()
            assert 42 == client.run("double", {"n": 21})
            handle = client.submit("count", {"to": COUNT, "gate": str(gate)})
            stream = handle.stream()
            first = [next(stream) for _ in range(COUNT // 2)]

            gateway.kill()
            gateway.start()
            gate.touch()
            rest = list(stream)

            assert list(range(COUNT)) == first + rest
            assert list(range(COUNT)) == handle.wait(60).result()
            assert [("local/count", 0), ("local/double", 0)] == [(one.model, one.waiting) for one in client.queues()]


def test_a_run_that_is_lost_with_its_server_is_streamed_again_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(MODEL)
    gate, port = tmp_path / "gate", free_port()
    with (
        Program("serve", "app.py:count", "--port", str(port), folder=tmp_path) as server,
        Client(f"http://127.0.0.1:{port}", patience=60) as client,
    ):
        server.wait_ready()
        handle = client.submit("count", {"to": COUNT, "gate": str(gate)})
        stream = handle.stream()
        first = [next(stream) for _ in range(COUNT // 2)]

        server.kill()
        server.start()
        gate.touch()

        with pytest.raises(StreamReset):
            first.append(next(stream))
        assert list(range(COUNT // 2)) == first
        assert list(range(COUNT)) == list(handle.stream())
        assert 2 == handle.reload().attempt


def test_what_was_accepted_before_its_server_was_killed_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(MODEL)
    gate, port = tmp_path / "gate", free_port()
    with (
        Program("serve", "app.py:count", "--port", str(port), folder=tmp_path) as server,
        Client(f"http://127.0.0.1:{port}", patience=60) as client,
    ):
        server.wait_ready()
        handle = client.submit("count", {"to": 4, "gate": str(gate)})
        shown(handle.reload, "processing")
        server.kill()
        gate.touch()
        server.start()

        assert [0, 1, 2, 3] == handle.wait(60).result()


def shown(look: Callable[[], Prediction], status: str, patience: float = 30.0) -> None:
    """Return as soon as the prediction has this status."""
    until = time.monotonic() + patience
    while look().status != status:
        assert time.monotonic() < until
        time.sleep(0.01)
