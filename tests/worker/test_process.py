"""The worker's handle of a model process, with real model processes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest
import uvloop

from leveret.config import WorkerSettings
from leveret.core.outcome import Crashed, HandedBack, Outcome, Raised, Returned
from leveret.errors import ModelLoadError, SetupFailed
from leveret.worker.frames import Ended, Item
from leveret.worker.process import ModelProcess
from tests.worker.arrange import PATIENCE, appears, write_model

pytestmark = pytest.mark.slow

ECHO = """
@model
def echo(n: int) -> int:
    if n == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    if n == 3:
        os._exit(3)
    return n
"""

BATCHED = """
@model(batch=8)
def fragile(n: list[int]) -> list[int]:
    if 9 in n:
        os.kill(os.getpid(), signal.SIGKILL)
    return n
"""

STUCK = """
@model
def stuck(n: int) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(__file__).with_suffix(".began").touch()
    while True:
        time.sleep(60)
"""


async def test_a_process_that_is_set_up_says_what_its_model_is(tmp_path: Path) -> None:
    async with ModelProcess.started(write_model(tmp_path, ECHO)) as process:
        assert ("local/echo", 1, False) == (process.ready.model, process.ready.batch, process.ready.streams)


async def test_runs_end_one_after_the_other_with_what_the_model_returned(tmp_path: Path) -> None:
    async with ModelProcess.started(write_model(tmp_path, ECHO)) as process:
        ended = await outcomes(process, items(1, 2, 4))

    assert [("1", Returned(b"1")), ("2", Returned(b"2")), ("4", Returned(b"4"))] == list(ended.items())


async def test_batches_under_way_at_the_same_time_are_told_apart(tmp_path: Path) -> None:
    async with ModelProcess.started(write_model(tmp_path, ECHO)) as process, asyncio.TaskGroup() as group:
        batches = [group.create_task(outcomes(process, items(*some))) for some in ([10, 11], [12], [13, 14])]

    assert [["10", "11"], ["12"], ["13", "14"]] == [list(batch.result()) for batch in batches]


async def test_a_crash_strikes_the_run_it_happened_in_and_what_stood_behind_is_handed_back(tmp_path: Path) -> None:
    async with ModelProcess.started(write_model(tmp_path, ECHO)) as process:
        ended = await outcomes(process, items(1, 9, 2))
        afterwards = await outcomes(process, items(5))

    assert ended["1"] == Returned(b"1")
    assert ended["9"] == Crashed("the model process was killed by signal 9, probably out of memory")
    assert isinstance(ended["2"], HandedBack)
    assert isinstance(afterwards["5"], HandedBack)


async def test_a_process_that_exits_says_with_which_code(tmp_path: Path) -> None:
    async with ModelProcess.started(write_model(tmp_path, ECHO)) as process:
        assert {"3": Crashed("the model process ended with exit code 3")} == await outcomes(process, items(3))


async def test_a_crash_strikes_all_who_share_a_call(tmp_path: Path) -> None:
    async with ModelProcess.started(write_model(tmp_path, BATCHED)) as process:
        ended = await outcomes(process, items(1, 9, 2))

    assert {Crashed} == {type(outcome) for outcome in ended.values()}


async def test_what_was_tried_before_runs_alone(tmp_path: Path) -> None:
    async with ModelProcess.started(write_model(tmp_path, BATCHED)) as process:
        ended = await outcomes(process, [*items(1, 2), *items(3, 9, attempt=2)])

    assert [Returned, Returned, Returned, Crashed] == [type(ended[name]) for name in ("1", "2", "3", "9")]


async def test_an_idle_process_ends_when_it_is_no_longer_needed(tmp_path: Path) -> None:
    async with ModelProcess.started(write_model(tmp_path, ECHO)) as process:
        pid = process.pid

    assert process.ended.is_set()
    assert not psutil.pid_exists(pid)


async def test_a_process_that_does_not_listen_is_killed_with_all_it_has_started(tmp_path: Path) -> None:
    child = "subprocess.Popen(['sleep', '600'])\n    while"
    target = write_model(tmp_path, "import subprocess\n" + STUCK.replace("while", child))

    async with ModelProcess.started(target) as process, aclosing(process.run(items(1))) as run:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(anext(run))
            await appears(tmp_path, "*.began")
            running.cancel()
        handle = psutil.Process(process.pid)
        left = [handle, *await eventually_children(handle)]

    gone, alive = await asyncio.to_thread(psutil.wait_procs, left, PATIENCE)
    assert (2, 0) == (len(gone), len(alive))


async def test_what_runs_is_handed_back_at_once_when_that_is_asked_for(tmp_path: Path) -> None:
    target = write_model(tmp_path, STUCK.replace("SIG_IGN", "SIG_DFL"))

    async with ModelProcess.started(target) as process, asyncio.TaskGroup() as group:
        running = group.create_task(outcomes(process, items(1)))
        await appears(tmp_path, "*.began")
        process.hand_back("enough")

    assert {"1": HandedBack("enough")} == running.result()


async def test_what_a_batch_that_was_given_up_still_says_is_not_heard_by_the_next(tmp_path: Path) -> None:
    async with ModelProcess.started(write_model(tmp_path, ECHO)) as process:
        async with aclosing(process.run(items(1, 2, 4))) as run:
            await anext(run)
        ended = await outcomes(process, items(5))

    assert {"5": Returned(b"5")} == ended


async def test_a_model_that_raises_harms_nobody_else(tmp_path: Path) -> None:
    target = write_model(tmp_path, "\n@model\ndef picky(n: int) -> float:\n    return 1 / n\n")

    async with ModelProcess.started(target) as process:
        ended = await outcomes(process, items(0, 1))

    assert isinstance(ended["0"], Raised)
    assert ended["1"] == Returned(b"1.0")


async def test_a_device_is_all_that_its_process_sees(tmp_path: Path) -> None:
    target = write_model(
        tmp_path, "\n@model\ndef sees(n: int) -> str:\n    return os.environ['CUDA_VISIBLE_DEVICES']\n"
    )

    async with ModelProcess.started(target, device="3") as process:
        assert {"1": Returned(b'"3"')} == await outcomes(process, items(1))


async def test_a_target_that_does_not_load_is_a_mistake_of_the_user_with_its_place(tmp_path: Path) -> None:
    target = write_model(tmp_path, "\nimport no_such_module\n")

    with pytest.raises(ModelLoadError, match=r"m0\.py:\d+: .*no_such_module"):
        async with ModelProcess.started(target):
            pass


async def test_a_setup_that_raises_is_a_failed_setup(tmp_path: Path) -> None:
    target = write_model(
        tmp_path,
        """
@model
class Broken:
    def setup(self) -> None:
        raise RuntimeError("no device")

    def predict(self, n: int) -> int:
        return n
""",
    )

    with pytest.raises(SetupFailed, match="no device"):
        async with ModelProcess.started(target):
            pass


async def test_a_process_that_dies_in_its_setup_is_a_failed_setup(tmp_path: Path) -> None:
    target = write_model(tmp_path, "\nos.kill(os.getpid(), signal.SIGSEGV)\n")

    with pytest.raises(SetupFailed, match="killed by signal 11"):
        async with ModelProcess.started(target):
            pass


async def test_a_setup_that_takes_too_long_is_a_failed_setup_and_its_process_is_ended(tmp_path: Path) -> None:
    target = write_model(
        tmp_path,
        """
@model
class Endless:
    def setup(self) -> None:
        Path(__file__).with_suffix(f".pid-{os.getpid()}").touch()
        time.sleep(3600)

    def predict(self, n: int) -> int:
        return n
""",
    )
    timeout = 1.0

    while not started(tmp_path):  # a busy machine takes longer to get there
        timeout *= 2
        with pytest.raises(SetupFailed, match=r"longer than worker.setup_timeout \(\d"):
            async with ModelProcess.started(target, settings=WorkerSettings(setup_timeout=timeout)):
                pass

    assert not [pid for pid in started(tmp_path) if psutil.pid_exists(pid)]


def test_all_of_this_works_on_uvloop_too(tmp_path: Path) -> None:
    async def scenario() -> list[Outcome]:
        async with ModelProcess.started(write_model(tmp_path, ECHO)) as process:
            ended = await outcomes(process, items(1, 3, 2))
        async with ModelProcess.started(write_model(tmp_path, ECHO)) as process:
            return [*ended.values(), *(await outcomes(process, items(4))).values()]

    one, three, two, four = uvloop.run(scenario())

    assert (Returned(b"1"), Returned(b"4")) == (one, four)
    assert (Crashed, HandedBack) == (type(three), type(two))


def items(*numbers: int, attempt: int = 1) -> list[Item]:
    return [Item(str(number), attempt, b'{"n": %d}' % number) for number in numbers]


async def outcomes(process: ModelProcess, given: Sequence[Item]) -> dict[str, Outcome]:
    """How each of these has ended, in that order."""
    ended: dict[str, Outcome] = {}
    async with asyncio.timeout(PATIENCE), aclosing(process.run(given)) as run:
        async for said in run:
            ended |= {frame.id: frame.outcome for frame in said if isinstance(frame, Ended)}
    return ended


def started(folder: Path) -> list[int]:
    """The processes that have left a file with their number."""
    return [int(path.name.partition("-")[2]) for path in folder.glob("*.pid-*")]


async def eventually_children(process: psutil.Process) -> list[psutil.Process]:
    """The processes that it has started, as soon as it has."""
    async with asyncio.timeout(PATIENCE):
        while not (children := process.children()):
            await asyncio.sleep(0.01)
    return children
