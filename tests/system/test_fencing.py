"""The fence: a worker that was paused past its lease changes nothing when it wakes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx2
import pytest

from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PATIENCE: Final = 60.0

MODEL: Final = """
import os
import time
from collections.abc import Iterator
from pathlib import Path

from leveret import Context, model


def wait(gate: str, context: Context) -> None:
    Path(f"{gate}.began-{context.attempt}").touch()
    while not os.path.exists(f"{gate}.open-{context.attempt}"):
        time.sleep(0.01)
    context.log(f"attempt {context.attempt}")
    Path(f"{gate}.ended-{context.attempt}").touch()


@model
def plain(gate: str, context: Context) -> int:
    wait(gate, context)
    return context.attempt


@model
def streamed(gate: str, context: Context) -> Iterator[int]:
    wait(gate, context)
    yield context.attempt
"""


class Site:
    """A gateway and two workers, of which the second is started when it is needed."""

    def __init__(self, folder: Path, stack: ExitStack, model: str) -> None:
        (folder / "models.py").write_text(MODEL)
        redis = stack.enter_context(RedisServer())
        environment = {**QUICK, **rabbit.a_namespace(), "LEVERET_STORE_URL": redis.url}
        port = free_port()

        def program(*command: str) -> Program:
            return Program(*command, folder=folder, environment=environment)

        stack.enter_context(program("gateway", "--port", str(port))).wait_ready()
        self.first = stack.enter_context(program("worker", f"models.py:{model}")).wait_ready()
        self.second = program("worker", f"models.py:{model}")
        self.client = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE))
        self.folder = folder
        self._model = model
        self._stack = stack

    def start_second(self) -> None:
        self._stack.enter_context(self.second).wait_ready()

    def submit(self, gate: str) -> str:
        answer = self.client.post(
            f"/v1/models/local/{self._model}/predictions", json={"input": {"gate": str(self.folder / gate)}}
        )
        return str(answer.json()["id"])

    def events(self, prediction_id: str) -> str:
        """All its events, as soon as it has ended."""
        return self.client.get(f"/v1/predictions/{prediction_id}/events").text

    def passes(self, gate: str, attempt: int) -> None:
        """Wait until this run has begun, and let it come to its end."""
        self.waits_for((self.folder / f"{gate}.began-{attempt}").exists)
        (self.folder / f"{gate}.open-{attempt}").touch()
        self.waits_for((self.folder / f"{gate}.ended-{attempt}").exists)

    def waits_for(self, happens: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not happens():
            assert time.monotonic() < until, f"{self.first.log[-2000:]}\n{self.second.log[-2000:]}"
            time.sleep(0.02)


@pytest.fixture(params=["plain", "streamed"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, stack, str(request.param))


def test_a_worker_that_wakes_after_its_lease_changes_nothing_and_goes_on(site: Site) -> None:
    submitted = site.submit("a")
    site.waits_for((site.folder / "a.began-1").exists)

    site.first.process.send_signal(signal.SIGSTOP)
    try:
        site.passes("a", 1)  # its model goes on: the result waits for the worker
        site.start_second()
        site.passes("a", 2)
        events = site.events(submitted)
        shown = site.client.get(f"/v1/predictions/{submitted}").json()
    finally:
        site.first.process.send_signal(signal.SIGCONT)
    site.waits_for(lambda: discarded(site.first, submitted))

    assert "succeeded" == shown["status"]
    assert shown["output"] in (2, [2])
    assert "attempt 2\n" == shown["logs"]
    assert shown == site.client.get(f"/v1/predictions/{submitted}").json()
    assert events == site.events(submitted)
    assert not discarded(site.second, submitted)
    assert_it_serves(site)


def discarded(worker: Program, prediction_id: str) -> bool:
    return any("result discarded" in line and prediction_id in line for line in worker.log.splitlines())


def assert_it_serves(site: Site) -> None:
    """The worker that was paused runs the next one."""
    site.second.terminate()
    (site.folder / "b.open-1").touch()
    after = site.submit("b")
    site.events(after)
    assert "succeeded" == site.client.get(f"/v1/predictions/{after}").json()["status"]
