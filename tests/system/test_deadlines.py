"""Deadlines from end to end, embedded and on RabbitMQ and Redis: what runs, what waits, and what nobody would run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import httpx2
import pytest

from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(120)]

Shown: TypeAlias = dict[str, object]
Serving: TypeAlias = Callable[[Path], AbstractContextManager[str]]

PATIENCE: Final = 60.0
PATH: Final = "/v1/models/local/long/predictions"
MODEL: Final = """
import time
from leveret import Context, model

@model(queue_timeout=4)
def long(seconds: float, context: Context) -> float:
    try:
        context.log("begun")
        time.sleep(seconds)
    finally:
        context.log("cleaned up")
    return seconds
"""


@contextmanager
def embedded(folder: Path) -> Iterator[str]:
    port = free_port()
    with Program("serve", "long.py", "--port", str(port), folder=folder) as program:
        program.wait_ready()
        yield f"http://127.0.0.1:{port}"


@contextmanager
def apart(folder: Path) -> Iterator[str]:
    """A gateway and a worker on RabbitMQ and Redis."""
    with split(folder) as (url, _):
        yield url


@contextmanager
def split(folder: Path) -> Iterator[tuple[str, Program]]:
    port = free_port()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        environment = {**QUICK, **rabbit.a_namespace(), "LEVERET_STORE_URL": redis.url}
        gateway, worker = [
            stack.enter_context(Program(*command, folder=folder, environment=environment))
            for command in (("gateway", "--port", str(port)), ("worker", "long.py"))
        ]
        for program in (gateway, worker):
            program.wait_ready()
        yield f"http://127.0.0.1:{port}", worker


@pytest.mark.parametrize("serving", [embedded, apart])
async def test_what_runs_and_what_waits_ends_at_its_deadline(tmp_path: Path, serving: Serving) -> None:
    (tmp_path / "long.py").write_text(MODEL)

    with serving(tmp_path) as url:
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
            running = await create(client, 3600, **{"Cancel-After": "12s"})
            await shows(client, running, "logs", "begun\n")
            waiting = await create(client, 0, Prefer="wait=60")  # until the model's own limit
            stopped = await shows(client, running, "status", "canceled")
            behind = await create(client, 0, Prefer="wait=60")

    assert ("canceled", "deadline passed before it started", "") == outcome(waiting)
    assert waiting["stopped"] == "before it started"
    assert ("canceled", "deadline passed while it ran", "begun\ncleaned up\n") == outcome(stopped)
    assert stopped["stopped"] == "interrupted"
    assert behind["status"] == "succeeded"


async def test_what_no_worker_would_run_ends_at_its_deadline(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text(MODEL)

    with split(tmp_path) as (url, worker):
        assert worker.terminate() == 0
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
            waiting = await create(client, 0, Prefer="wait=60")
            worker.start()
            worker.wait_ready(2)
            behind = await create(client, 0, Prefer="wait=60")
            found = await shows(client, waiting, "status", "canceled")

    assert ("canceled", "deadline passed before it started", "") == outcome(found)
    assert found["attempt"] == 0
    assert behind["status"] == "succeeded"


def outcome(shown: Shown) -> tuple[object, object, object]:
    return shown["status"], shown["error"], shown["logs"]


async def create(client: httpx2.AsyncClient, seconds: float, **headers: str) -> Shown:
    answer = await client.post(PATH, json={"input": {"seconds": seconds}}, headers=headers)
    assert answer.status_code == 201, answer.text
    created: Shown = answer.json()
    return created


async def shows(client: httpx2.AsyncClient, shown: Shown, name: str, value: str) -> Shown:
    """The prediction as soon as it has this value."""
    async with asyncio.timeout(PATIENCE):
        while shown.get(name) != value:
            await asyncio.sleep(0.02)
            shown = (await client.get(f"/v1/predictions/{shown['id']}")).json()
    return shown
