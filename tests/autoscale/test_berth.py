"""A berth and what runs in it, with real processes that stand for workers."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from leveret.autoscale.berth import Berth

pytestmark = pytest.mark.slow

PATIENCE = 20.0
FAITHFUL = "print('up', flush=True); signal.pause()"
DEAF = "signal.signal(signal.SIGTERM, lambda *_: None); print('up', flush=True)\nwhile True: signal.pause()"
BRIEF = "print('up', flush=True)"


class Starter:
    """Starts processes and knows them."""

    def __init__(self, code: str) -> None:
        self._code = code
        self.started: asyncio.Queue[Process] = asyncio.Queue()

    async def __call__(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import signal\n" + self._code, stdout=PIPE
        )
        assert process.stdout is not None
        assert b"up\n" == await process.stdout.readline()
        self.started.put_nowait(process)
        return process

    async def next(self) -> Process:
        async with asyncio.timeout(PATIENCE):
            return await self.started.get()


async def test_a_worker_that_is_killed_is_replaced_and_leaves_when_it_is_told_to() -> None:
    starter = Starter(FAITHFUL)
    kept = Berth(model="local/echo", start=starter, grace=10.0)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        running = group.create_task(kept.run())
        first = await starter.next()

        first.kill()
        second = await starter.next()
        kept.leave()
        await running

    assert (-signal.SIGKILL, -signal.SIGTERM) == (first.returncode, second.returncode)
    assert starter.started.empty()


async def test_a_worker_that_does_not_end_in_its_grace_is_killed() -> None:
    starter = Starter(DEAF)
    kept = Berth(model="local/echo", start=starter, grace=0.05, margin=0.05)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        running = group.create_task(kept.run())
        process = await starter.next()

        kept.leave()
        await running

    assert -signal.SIGKILL == process.returncode


async def test_what_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    tries: list[float] = []
    enough = asyncio.Event()

    async def missing() -> Process:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) == 2:
            enough.set()
        return await asyncio.create_subprocess_exec(str(tmp_path / "missing"))

    kept = Berth(model="local/echo", start=missing, grace=1.0)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        running = group.create_task(kept.run())
        await enough.wait()
        kept.leave()
        await running

    assert 2 == len(tries)
