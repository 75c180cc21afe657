"""A cancel over HTTP reaches the model process, through every part that is between them."""

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
from tests.system.program import Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

Serving: TypeAlias = Callable[[Path], AbstractContextManager[str]]
Shown: TypeAlias = dict[str, object]

PATIENCE: Final = 20.0
NO_BEATS: Final = {"LEVERET_WORKER_BEAT": "300", "LEVERET_WORKER_LEASE": "900", "LEVERET_WORKER_CANCEL_GRACE": "0.5"}
"""So that nothing but the control message can tell the worker."""

MODEL: Final = """
import time
from leveret import Context, model

@model
def long(stuck: bool, context: Context) -> int:
    try:
        context.log("begun")
        return sum(range(10**18)) if stuck else time.sleep(3600)
    finally:
        context.log("cleaned up")
"""


@contextmanager
def embedded(folder: Path) -> Iterator[str]:
    port = free_port()
    with Program("serve", "long.py", "--port", str(port), folder=folder, environment=NO_BEATS) as program:
        program.wait_ready()
        yield f"http://127.0.0.1:{port}"


@contextmanager
def apart(folder: Path) -> Iterator[str]:
    """A gateway and a worker on RabbitMQ and Redis."""
    port = free_port()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        environment = {**NO_BEATS, **rabbit.a_namespace(), "LEVERET_STORE_URL": redis.url}
        started = [
            stack.enter_context(Program(*command, folder=folder, environment=environment))
            for command in (("gateway", "--port", str(port)), ("worker", "long.py"))
        ]
        for program in started:
            program.wait_ready()
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("serving", [embedded, apart])
async def test_a_canceled_run_is_interrupted_or_ended_with_its_process(tmp_path: Path, serving: Serving) -> None:
    (tmp_path / "long.py").write_text(MODEL)

    with serving(tmp_path) as url:
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
            gentle, rude = [await canceled(client, stuck=stuck) for stuck in (False, True)]

    assert ("canceled", "interrupted", "begun\ncleaned up\n") == (gentle["status"], gentle["stopped"], gentle["logs"])
    assert ("canceled", "terminated", "begun\n") == (rude["status"], rude["stopped"], rude["logs"])


async def canceled(client: httpx2.AsyncClient, *, stuck: bool) -> Shown:
    """A prediction that is canceled as soon as it says that it has begun, when it has ended."""
    created = await client.post("/v1/models/local/long/predictions", json={"input": {"stuck": stuck}})
    path = f"/v1/predictions/{created.json()['id']}"
    await shows(client, path, "logs", "begun\n")
    assert (await client.post(f"{path}/cancel")).status_code == 200
    return await shows(client, path, "status", "canceled")


async def shows(client: httpx2.AsyncClient, path: str, name: str, value: str) -> Shown:
    """The prediction as soon as it has this value."""
    shown: Shown = {}
    async with asyncio.timeout(PATIENCE):
        while shown.get(name) != value:
            await asyncio.sleep(0.02)
            shown = (await client.get(path)).json()
    return shown
