"""Model processes that take more memory than they may, with real processes."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from leveret.core.prediction import Status
from leveret.errors import SetupFailed
from leveret.worker.memory import MEASURABLE, used
from leveret.worker.process import ModelProcess
from tests.worker.arrange import PATIENCE, QUICK, Family, write_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MEASURABLE, reason="only Linux tells how much a process takes"),
]

MIB = 1024 * 1024
LIMIT = 256 * MIB
"""More than a process takes whose model does nothing."""

EXCESS = re.compile(r"the model process used \d+(\.\d)? MiB, more than its max_memory of 256 MiB")
GREEDY = """
import subprocess, sys, threading

held = []

def wait(gate: str) -> None:
    while not os.path.exists(gate):
        time.sleep(0.005)
    held.append(bytearray(os.urandom(1024) * 1024 * 320))

@model(OPTIONS)
def greedy(how: str) -> int:
    match how:
        case "itself":
            held.append(bytearray(os.urandom(1024) * 1024 * 320))
            time.sleep(3600)
        case "its child":
            script = "import os, time; held = bytearray(os.urandom(1024) * 1024 * 320); time.sleep(3600)"
            subprocess.run([sys.executable, "-c", script])
        case "later":
            threading.Thread(target=wait, args=(__file__ + ".gate",), daemon=True).start()
    return os.getpid()
"""


@pytest.mark.parametrize(
    ("how", "options", "setting"),
    [("itself", "max_memory='256 MiB'", 0), ("itself", "", LIMIT), ("its child", f"max_memory={LIMIT}", 4 * LIMIT)],
)
async def test_what_takes_more_than_it_may_has_crashed_and_says_so(
    family: Family, how: str, options: str, setting: int
) -> None:
    target = family.model(GREEDY.replace("OPTIONS", options))

    async with family.serving(target, replace(QUICK, max_attempts=1, max_memory=setting)):
        (submitted,) = await family.submit("local/greedy", {"how": how})
        result = await family.result(submitted)
        (behind,) = await family.submit("local/greedy", {"how": "nothing"})
        assert (await family.result(behind)).status is Status.SUCCEEDED

    assert (Status.FAILED, 1) == (result.status, result.attempt)
    assert EXCESS.match(result.error or ""), result.error


async def test_a_process_that_takes_too_much_while_it_is_idle_is_replaced_and_nobody_is_charged(family: Family) -> None:
    target = family.model(GREEDY.replace("OPTIONS", "max_memory='256 MiB'"))

    async with family.serving(target):
        (first,) = await family.submit("local/greedy", {"how": "later"})
        before = psutil.Process(int(str(await family.output(first))))
        grow(target)
        await asyncio.to_thread(psutil.wait_procs, [before], PATIENCE)
        (second,) = await family.submit("local/greedy", {"how": "nothing"})
        result = await family.result(second)

    assert not before.is_running()
    assert (Status.SUCCEEDED, 1, 0) == (result.status, result.attempt, result.charged)
    assert (0, 0, 0, 0) == await family.broker.depth("local/greedy")


async def test_a_setup_that_takes_more_than_it_may_has_failed(tmp_path: Path) -> None:
    target = write_model(
        tmp_path,
        """
@model(max_memory="256 MiB")
class Greedy:
    def setup(self) -> None:
        self.held = bytearray(os.urandom(1024) * 1024 * 320)
        time.sleep(3600)

    def predict(self, n: int) -> int:
        return n
""",
    )

    with pytest.raises(SetupFailed) as failed:
        async with ModelProcess.started(target):
            pass

    assert EXCESS.search(str(failed.value)), str(failed.value)


def grow(target: str) -> None:
    """Let the thread that the model has left behind take its memory."""
    Path(f"{target}.gate").touch()


def test_what_a_process_shares_with_those_it_has_forked_counts_once() -> None:
    script = """
import os, signal
held = bytearray(os.urandom(1024) * 1024 * 64)
children = [pid for _ in range(3) if (pid := os.fork()) == 0 or True]
os.write(1, b"ready\\n")
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        ready = [process.stdout.readline() for _ in range(8)]
        size, resident = used(process.pid, 0), used(process.pid, sys.maxsize)
        os.killpg(process.pid, 9)

    assert {b"ready\n"} == set(ready)
    assert 64 * MIB < size < 128 * MIB < 8 * 64 * MIB < resident
