"""Runs that come to nothing, through every part that is between them: the delay they ask for, and workers they kill."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import httpx2
import pytest

from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(180)]

PATIENCE: Final = 60.0
RUNS: Final = 2

MODEL: Final = f"""
import os, signal, time
from leveret import Context, Retry, model

@model(retries={RUNS - 1})
def unsteady(how: str, context: Context) -> int:
    if how == "kill the worker":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(3600)
    if context.attempt == 1:
        raise Retry("not yet", after=2.5)
    return context.attempt
"""


@dataclass
class Served:
    """Where the gateway is, and the program that is the worker."""

    url: str
    worker: Program


Serving: TypeAlias = Callable[[Path], AbstractContextManager[Served]]


@contextmanager
def embedded(folder: Path) -> Iterator[Served]:
    port = free_port()
    with Program("serve", "unsteady.py", "--port", str(port), folder=folder, environment=QUICK) as program:
        program.wait_ready()
        yield Served(f"http://127.0.0.1:{port}", program)


@contextmanager
def apart(folder: Path) -> Iterator[Served]:
    """A gateway and a worker on RabbitMQ and Redis."""
    port = free_port()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        environment = {**QUICK, **rabbit.a_namespace(), "LEVERET_STORE_URL": redis.url}
        gateway, worker = [
            stack.enter_context(Program(*command, folder=folder, environment=environment))
            for command in (("gateway", "--port", str(port)), ("worker", "unsteady.py"))
        ]
        gateway.wait_ready()
        worker.wait_ready()
        yield Served(f"http://127.0.0.1:{port}", worker)


@pytest.mark.parametrize("serving", [embedded, apart])
def test_runs_that_come_to_nothing_are_made_again_and_end(tmp_path: Path, serving: Serving) -> None:
    (tmp_path / "unsteady.py").write_text(MODEL)

    with serving(tmp_path) as served, httpx2.Client(base_url=served.url, timeout=20) as client:
        later = submitted(client, "later")
        assert ended(client, later)["output"] == 2
        queued, started, logs, reset, again, succeeded = events(client, later)

        deadly = submitted(client, "kill the worker")
        for _ in range(RUNS):
            served.worker.process.wait(PATIENCE)
            served.worker.start()
        lost = ended(client, deadly)
        log = events(client, deadly)

    kinds = [event["type"] for event in (queued, started, logs, reset, again, succeeded)]
    assert kinds == ["queued", "started", "logs", "reset", "started", "succeeded"]
    assert (reset["reason"], reset["charged"], reset["delay"]) == ("not yet", 1, 2.5)
    assert (
        float(str(again["at"])) - float(str(reset["at"])) >= 2.4
    )  # no rung is so long: it has come too early at least once
    error = f"its worker was lost (attempt {RUNS} of {RUNS})"
    assert (lost["status"], lost["error"], lost["attempt"]) == ("failed", error, RUNS)
    assert [event["type"] for event in log] == ["queued", "started", "reset", "started", "failed"]
    assert log[-1]["dead"] == "exhausted"
    assert served.worker.process.returncode == 0  # it has outlived the last claim, and was only asked to stop


def submitted(client: httpx2.Client, how: str) -> str:
    answer = client.post("/v1/models/local/unsteady/predictions", json={"input": {"how": how}})
    return str(answer.json()["id"])


def ended(client: httpx2.Client, prediction_id: str) -> dict[str, object]:
    """The prediction when it has ended; the gateway may be starting."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            shown: dict[str, object] = client.get(f"/v1/predictions/{prediction_id}").json()
            if shown["status"] in ("succeeded", "failed"):
                return shown
        except httpx2.TransportError:
            pass
        assert time.monotonic() < until, "it has not ended"
        time.sleep(0.05)


def events(client: httpx2.Client, prediction_id: str) -> list[dict[str, object]]:
    """Its log, when it has ended."""
    lines = client.get(f"/v1/predictions/{prediction_id}/events").text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
