"""A worker on the embedded family, with real model processes: what becomes of predictions, whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from leveret.core.events import Output, Reset, Succeeded
from leveret.core.prediction import Blob, Prediction, Status
from leveret.errors import ModelLoadError
from leveret.worker.process import CHILD
from tests.worker.arrange import GATED, PATIENCE, QUICK, Family, appears, let_go

pytestmark = pytest.mark.slow

ECHO = """
@model
def echo(n: int) -> int:
    return n
"""


def model_processes() -> list[psutil.Process]:
    """The model processes of this process itself: it may be the parent of whole servers too."""
    return [child for child in psutil.Process().children() if CHILD in child.cmdline()]


async def test_a_prediction_is_run_recorded_and_acknowledged(family: Family) -> None:
    async with family.serving(family.model(ECHO)) as worker:
        (submitted,) = await family.submit("local/echo", {"n": 7})
        result = await family.result(submitted)

    assert (Status.SUCCEEDED, b"7", worker.id) == (result.status, bytes(result.output), result.worker)
    assert ["queued", "started", "succeeded"] == await family.kinds(submitted)
    assert (0, 0, 0, 0) == await family.broker.depth("local/echo")


async def test_a_crowd_of_predictions_all_succeed(family: Family) -> None:
    async with family.serving(family.model(ECHO), replace(QUICK, processes=2)):
        submitted = await family.submit("local/echo", *({"n": n} for n in range(300)))

        assert list(range(300)) == [await family.output(one) for one in submitted]


async def test_each_process_sees_its_own_device(family: Family) -> None:
    target = family.model("""
@model
def device(n: int) -> str:
    time.sleep(0.1)
    return os.environ["CUDA_VISIBLE_DEVICES"]
""")
    async with family.serving(target, replace(QUICK, processes=2, devices="3, 5")):
        submitted = await family.submit("local/device", *({"n": n} for n in range(8)))

        assert {"3", "5"} == {await family.output(one) for one in submitted}


async def test_the_card_says_how_many_runs_the_worker_has_under_way_at_once(family: Family) -> None:
    target = family.model("""
from leveret import model

@model(batch=8)
def upper(texts: list[str]) -> list[str]:
    return [text.upper() for text in texts]
""")
    async with family.serving(target, replace(QUICK, processes=2)):
        (listing,) = await family.store.cards()

    assert 16 == listing.card.slots


async def test_the_card_is_announced_before_anything_is_consumed(family: Family) -> None:
    started = time.time()
    async with family.serving(family.model(ECHO)):
        (listing,) = await family.store.cards()

    assert started <= listing.card.announced_at <= time.time()
    assert ("local/echo", 1) == (listing.card.model, listing.workers)
    assert "n" in json.loads(bytes(listing.card.input_schema))["properties"]
    assert [0] == [listing.workers for listing in await family.store.cards()]


async def test_the_chunks_of_a_stream_are_logged_in_order_and_make_the_output(family: Family) -> None:
    target = family.model("""
@model
def count(n: int) -> Iterator[int]:
    for number in range(n):
        yield number
""")

    async with family.serving(target):
        (submitted,) = await family.submit("local/count", {"n": 5000})
        log = await family.log(submitted)

    chunks = [
        json.loads(bytes(chunk)) for entry in log if isinstance(entry.event, Output) for chunk in entry.event.chunks
    ]
    assert list(range(5000)) == chunks == await family.output(submitted)
    assert isinstance(log[-1].event, Succeeded)


async def test_streams_of_many_runs_do_not_mix(family: Family) -> None:
    target = family.model("""
@model
def count(n: int) -> Iterator[int]:
    for number in range(n, n + 50):
        yield number
""")

    async with family.serving(target, replace(QUICK, processes=2)):
        submitted = await family.submit("local/count", *({"n": n} for n in range(40)))

        assert [list(range(n, n + 50)) for n in range(40)] == [await family.output(one) for one in submitted]


async def test_logs_and_progress_reach_the_record(family: Family) -> None:
    target = family.model("""
@model
def talks(n: int, context: Context) -> int:
    context.log("begun")
    context.progress(0.5, "half")
    return n
""")

    async with family.serving(target):
        (submitted,) = await family.submit("local/talks", {"n": 1})
        result = await family.result(submitted)

    assert (Status.SUCCEEDED, "begun\n", 0.5) == (result.status, result.logs, result.progress)


async def test_a_model_that_raises_fails_the_prediction_with_its_traceback_in_the_logs(family: Family) -> None:
    target = family.model("""
@model
def raises(n: int) -> int:
    raise ValueError(f"no {n}")
""")

    async with family.serving(target):
        (submitted,) = await family.submit("local/raises", {"n": 3})
        result = await family.result(submitted)

    assert (Status.FAILED, "ValueError: no 3") == (result.status, result.error)
    assert "raise ValueError" in result.logs
    assert ["queued", "started", "logs", "failed"] == await family.kinds(submitted)


async def test_a_crash_is_retried_on_a_fresh_process_up_to_the_limit_and_harms_no_neighbour(family: Family) -> None:
    target = family.model("""
@model
def fragile(n: int) -> int:
    if n == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return n
""")

    async with family.serving(target, replace(QUICK, max_attempts=2)):
        (warm,) = await family.submit("local/fragile", {"n": 1})
        await family.result(warm)
        submitted = await family.submit("local/fragile", *({"n": n} for n in range(8, 18)))
        results = [await family.result(one) for one in submitted]

    poisoned = results.pop(5)
    assert (Status.FAILED, 2) == (poisoned.status, poisoned.attempt)
    assert poisoned.error is not None
    assert "killed by signal 9, probably out of memory" in poisoned.error
    assert ["queued", "started", "reset", "started", "failed"] == await family.kinds(poisoned.id)
    assert {Status.SUCCEEDED} == {one.status for one in results}


async def test_inputs_that_crash_do_not_keep_the_others_waiting_longer_and_longer(family: Family) -> None:
    target = family.model("""
@model
def fragile(n: int) -> int:
    if n == 13:
        os._exit(3)
    return n
""")

    async with family.serving(target, replace(QUICK, max_attempts=1)):
        *poisoned, good = await family.submit("local/fragile", *[{"n": 13}] * 9, {"n": 1})

        assert await family.output(good) == 1  # within PATIENCE, which nine growing pauses would exceed
        assert {Status.FAILED} == {(await family.result(one)).status for one in poisoned}


async def test_the_innocent_of_a_batch_that_crashed_succeed_as_soon_as_they_run_alone(family: Family) -> None:
    target = family.model("""
@model(batch=4, batch_window=1.0)
def fragile(n: list[int]) -> list[int]:
    if 13 in n:
        os._exit(3)
    return n
""")

    async with family.serving(target, replace(QUICK, max_attempts=2)):
        submitted = await family.submit("local/fragile", *({"n": n} for n in range(12, 16)))
        results = [await family.result(one) for one in submitted]

    poisoned = results.pop(1)
    assert poisoned.error == "the model process ended with exit code 3 (attempt 2 of 2)"
    assert {Status.SUCCEEDED} == {one.status for one in results}


async def test_a_batched_model_gets_what_waits_together(family: Family) -> None:
    target = family.model("""
@model(batch=4, batch_window=2.0)
def sizes(n: list[int]) -> list[int]:
    return [len(n)] * len(n)
""")

    async with family.serving(target):
        submitted = await family.submit("local/sizes", *({"n": n} for n in range(8)))

        assert [4] * 8 == [await family.output(one) for one in submitted]


async def test_a_batch_that_is_not_full_is_run_when_its_window_has_passed(family: Family) -> None:
    target = family.model("""
@model(batch=100, batch_window=0.05)
def sizes(n: list[int]) -> list[int]:
    return [len(n)] * len(n)
""")

    async with family.serving(target):
        (submitted,) = await family.submit("local/sizes", {"n": 1})

        assert await family.output(submitted) == 1


async def test_a_slow_model_is_not_hoarded_by_one_of_two_workers(family: Family, tmp_path: Path) -> None:
    target = family.model(GATED)
    gates = [str(tmp_path / name) for name in "ab"]

    async with family.serving(target) as one, family.serving(target) as other:
        submitted = await family.submit("local/gated", *({"gate": gate} for gate in gates))
        for prediction_id in submitted:
            await family.reaches(prediction_id, "started")
        for gate in gates:
            let_go(gate)
        workers = {(await family.result(one)).worker for one in submitted}

    assert {one.id, other.id} == workers


async def test_draining_finishes_what_runs_and_leaves_the_rest_in_the_queue(family: Family, tmp_path: Path) -> None:
    gates = [str(tmp_path / name) for name in "ab"]

    async with family.serving(family.model(GATED)) as worker:
        running, waiting = await family.submit("local/gated", *({"gate": gate} for gate in gates))
        await family.reaches(running, "started")
        worker.drain()
        let_go(gates[0])
        await family.result(running)

    assert (await family.store.get(running)).status is Status.SUCCEEDED
    assert (await family.store.get(waiting)).status is Status.STARTING
    assert (1, 0, 0, 0) == await family.broker.depth("local/gated")


async def test_a_second_drain_hands_back_what_runs(family: Family, tmp_path: Path) -> None:
    gate = str(tmp_path / "a")

    async with family.serving(family.model(GATED)) as worker:
        (running,) = await family.submit("local/gated", {"gate": gate})
        await family.reaches(running, "started")
        worker.drain()
        worker.drain()

    assert (await family.store.get(running)).status is Status.STARTING
    assert (1, 0, 0, 0) == await family.broker.depth("local/gated")
    assert not model_processes()


async def test_what_is_not_done_within_the_grace_is_handed_back_and_done_by_another_worker(
    family: Family, tmp_path: Path
) -> None:
    gate, target = str(tmp_path / "a"), family.model(GATED)

    async with family.serving(target, replace(QUICK, grace=0.05)) as first:
        (submitted,) = await family.submit("local/gated", {"gate": gate})
        await family.reaches(submitted, "started")
        first.drain()
    let_go(gate, attempt=2)
    async with family.serving(target) as second:
        result = await family.result(submitted)

    assert (Status.SUCCEEDED, second.id, 2) == (result.status, result.worker, result.attempt)
    resets = [entry.event for entry in await family.log(submitted) if isinstance(entry.event, Reset)]
    assert ["its worker was stopped"] == [reset.reason for reset in resets]


async def test_a_worker_can_be_drained_while_it_sets_up(family: Family) -> None:
    worker = family.worker(
        family.model("""
@model
class Slow:
    def setup(self) -> None:
        Path(__file__).with_suffix(".began").touch()
        time.sleep(60)

    def predict(self, n: int) -> int:
        return n
""")
    )

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        await appears(family.folder, "*.began")
        worker.drain()

    assert not model_processes()


async def test_a_target_that_does_not_load_is_told_to_who_started_the_worker(family: Family) -> None:
    worker = family.worker(family.model("\nraise RuntimeError('broken')\n"))

    with pytest.raises(ModelLoadError, match="broken"):
        await worker.run()


@pytest.mark.parametrize("how", ['raise RuntimeError("no device")', "time.sleep(3600)"])
async def test_a_setup_that_fails_is_tried_again_and_nothing_is_consumed_meanwhile(family: Family, how: str) -> None:
    target = family.model(f"""
@model
class Fragile:
    def setup(self) -> None:
        failed = Path(__file__).with_suffix(".failed")
        if not failed.exists():
            failed.touch()
            {how}

    def predict(self, n: int) -> int:
        return n
""")
    (submitted,) = await family.submit("local/fragile", {"n": 1})

    async with family.serving(target, replace(QUICK, setup_timeout=4.0)):
        result = await family.result(submitted)

    assert (Status.SUCCEEDED, 1) == (result.status, result.attempt)


async def test_a_large_output_becomes_a_blob(family: Family) -> None:
    target = family.model("""
@model
def large(n: int) -> str:
    return "x" * n
""")

    async with family.serving(target, replace(QUICK, inline_limit=1000)):
        small, large = await family.submit("local/large", {"n": 100}, {"n": 5000})
        assert (await family.result(small)).output_blob is None
        blob = (await family.result(large)).output_blob

    assert blob is not None
    assert b'"' + b"x" * 5000 + b'"' == b"".join([chunk async for chunk in family.blobs.open(blob)])


async def test_a_large_input_is_fetched_from_the_blobs(family: Family) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b'{"n": 42}'

    blob = await family.blobs.put("inputs/1", content(), content_type="application/json")

    async with family.serving(family.model(ECHO)):
        (submitted,) = await family.submit("local/echo", None, blob=blob)

        assert await family.output(submitted) == 42


async def test_an_input_that_is_gone_fails_its_prediction_alone(family: Family) -> None:
    gone = Blob(key="inputs/gone", size=1, sha256="0" * 64)

    async with family.serving(family.model(ECHO)):
        (lost,) = await family.submit("local/echo", None, blob=gone)
        (kept,) = await family.submit("local/echo", {"n": 1})
        result = await family.result(lost)
        assert await family.output(kept) == 1

    assert result.status is Status.FAILED
    assert "inputs/gone" in (result.error or "")


async def test_a_finished_prediction_that_is_delivered_again_is_only_acknowledged(family: Family) -> None:
    async with family.serving(family.model(ECHO)):
        (submitted,) = await family.submit("local/echo", {"n": 1})
        result = await family.result(submitted)
        await family.broker.publish(result)
        (later,) = await family.submit("local/echo", {"n": 2})
        await family.result(later)

    assert (0, 0, 0, 0) == await family.broker.depth("local/echo")
    assert ["queued", "started", "succeeded"] == await family.kinds(submitted)


async def test_the_result_of_a_run_whose_lease_has_lapsed_is_discarded(family: Family, tmp_path: Path) -> None:
    gate, target = str(tmp_path / "a"), family.model(GATED)

    async with family.serving(target, replace(QUICK, lease=0.1, beat=60.0)):
        (submitted,) = await family.submit("local/gated", {"gate": gate})
        await family.reaches(submitted, "started")
        async with family.serving(target) as other:
            await family.broker.publish(await lapsed(family))
            let_go(gate, attempt=2)
            result = await family.result(submitted)
        let_go(gate)

    assert (other.id, 2, b"2") == (result.worker, result.attempt, bytes(result.output))
    assert ["queued", "started", "reset", "started", "succeeded"] == await family.kinds(submitted)
    assert result == await family.store.get(submitted)
    assert (0, 0, 0, 0) == await family.broker.depth("local/gated")


async def test_a_large_result_that_is_discarded_leaves_no_blob(family: Family, tmp_path: Path) -> None:
    gate, target, large = str(tmp_path / "a"), family.model(GATED), replace(QUICK, inline_limit=0)

    async with family.serving(target, replace(large, lease=0.1, beat=60.0)):
        (submitted,) = await family.submit("local/gated", {"gate": gate})
        await family.reaches(submitted, "started")
        async with family.serving(target, large):
            await family.broker.publish(await lapsed(family))
            let_go(gate, attempt=2)
            result = await family.result(submitted)
        let_go(gate)

    assert result.output_blob is not None
    assert [tmp_path / "blobs" / result.output_blob.key] == list((tmp_path / "blobs").rglob("*.json"))


async def test_a_double_of_what_runs_here_is_not_run_twice(family: Family, tmp_path: Path) -> None:
    gate = str(tmp_path / "a")

    async with family.serving(family.model(GATED), replace(QUICK, processes=2)):
        (submitted,) = await family.submit("local/gated", {"gate": gate})
        await family.reaches(submitted, "started")
        await family.broker.publish(await family.store.get(submitted))
        (behind,) = await family.submit("local/gated", {"gate": str(tmp_path / "b")})
        let_go(f"{tmp_path}/b")
        await family.result(behind)
        let_go(gate)
        await family.result(submitted)

    assert ["queued", "started", "succeeded"] == await family.kinds(submitted)


STARTING = """
import multiprocessing, subprocess

@model
class Starting:
    def setup(self) -> None:
        fork = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        fork.start()
        program = subprocess.Popen(["sleep", "600"])
        shell = subprocess.Popen("sleep 600 & exec sleep 600", shell=True, close_fds=False)
        Path(__file__).with_suffix(".started").write_text(f"{fork.pid} {program.pid} {shell.pid}")

    def predict(self, n: int) -> int:
        return n
"""


@pytest.mark.parametrize("model", [ECHO, STARTING])
async def test_a_killed_worker_leaves_no_model_process_behind(family: Family, model: str) -> None:
    script = """
import asyncio, sys
from leveret.worker.process import ModelProcess

async def main():
    async with ModelProcess.started(sys.argv[1]) as process:
        print(process.pid, flush=True)
        await process.ended.wait()

asyncio.run(main())
"""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, family.model(model), stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    session = session_of(int(await worker.stdout.readline()))

    worker.kill()
    await worker.wait()

    _, alive = await asyncio.to_thread(psutil.wait_procs, session, PATIENCE)
    assert len(session) >= (6 if model is STARTING else 2)
    assert [] == alive


def session_of(pid: int) -> list[psutil.Process]:
    """The model process of this number and what belongs to it: its watcher, and what the model has started."""
    return [process for process in psutil.process_iter() if in_session(process.pid, pid)]


def in_session(pid: int, leader: int) -> bool:
    try:
        return os.getsid(pid) == leader
    except ProcessLookupError:
        return False


async def lapsed(family: Family) -> Prediction:
    """The first prediction whose lease has lapsed."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await family.store.lapsed(hold=60.0, limit=1)):
            await asyncio.sleep(0.01)
    return found[0]
