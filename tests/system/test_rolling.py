"""A rolling restart: every worker is replaced under load, and no client notices."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx2
import pytest

from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.load import Load
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(240)]

RATE: Final = 20.0
PATIENCE: Final = 60.0

MODEL: Final = """
import os
import time
from pathlib import Path

from leveret import model

@model
def echo(n: int) -> int:
    if n % 20:
        time.sleep(0.02)
    else:
        Path(f"busy-{os.getppid()}").touch()
        time.sleep(1.0)
        Path(f"busy-{os.getppid()}").unlink()
    return n
"""
"""The worker that runs something long shows it by a file."""


async def restarted(folder: Path, *, grace: str) -> tuple[list[int], list[list[dict[str, object]]]]:
    """How the workers exited, and the log of every prediction of a load that went on meanwhile; all have succeeded."""
    (folder / "echo.py").write_text(MODEL)
    exits: list[int] = []
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        environment = {
            **QUICK,
            **rabbit.a_namespace(),
            "LEVERET_STORE_URL": redis.url,
            "LEVERET_WORKER_GRACE": grace,
        }
        port = free_port()
        commands = [("gateway", "--port", str(port)), ("worker", "echo.py"), ("worker", "echo.py")]
        programs = [
            stack.enter_context(Program(*command, folder=folder, environment=environment)) for command in commands
        ]
        for program in programs:
            program.wait_ready()
        load = Load(f"http://127.0.0.1:{port}", "local/echo")

        async def roll() -> None:
            for worker in programs[1:]:
                await appears(folder / f"busy-{worker.process.pid}")
                exits.append(await asyncio.to_thread(worker.terminate))
                worker.start()
                await asyncio.to_thread(worker.wait_ready, 2)

        await load.steadily(RATE, disturb=roll)
        await load.results()
        async with httpx2.AsyncClient(base_url=load.base_url, timeout=20) as client:
            return exits, [await log(client, one) for one in load.accepted]


async def appears(path: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(path.exists):
            await asyncio.sleep(0.005)


async def log(client: httpx2.AsyncClient, prediction_id: str) -> list[dict[str, object]]:
    answer = await client.get(f"/v1/predictions/{prediction_id}/events")
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def test_a_rolling_restart_within_the_grace_runs_everything_once(tmp_path: Path) -> None:
    exits, logs = await restarted(tmp_path, grace="30")

    assert [0, 0] == exits
    assert {("queued", "started", "succeeded")} == {tuple(str(event["type"]) for event in log) for log in logs}


async def test_what_outlasts_the_grace_is_handed_back_and_charged_to_nobody(tmp_path: Path) -> None:
    exits, logs = await restarted(tmp_path, grace="0.1")

    resets = [event for log in logs for event in log if event["type"] == "reset"]
    assert [0, 0] == exits
    assert {"its worker was stopped"} == {event["reason"] for event in resets}
    assert {0} == {event["charged"] for event in resets}
