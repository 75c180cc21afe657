"""Cancels of what a worker has in its hand, with real processes: how each is stopped, and what becomes of others."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from leveret.core.events import Reset
from leveret.core.prediction import Means, Prediction, Status
from tests.worker.arrange import GATED, PATIENCE, QUICK, Family, appears, let_go

pytestmark = pytest.mark.slow

RUDE = replace(QUICK, cancel_grace=0.2)
STOPPABLE = """
@model
def sleeper(n: int, context: Context) -> int:
    try:
        Path(__file__).with_suffix(f".began-{n}-{context.attempt}").touch()
        if n == 0:
            time.sleep(3600)
    finally:
        context.log("cleaned up")
    return n
"""
STUCK = """
import hashlib
HOW = signal.SIG_DFL
signal.signal(signal.SIGTERM, HOW)

@model
def stuck(n: int, context: Context) -> int:
    Path(__file__).with_suffix(f".began-{n}-{context.attempt}").touch()
    if n == 0:
        sum(range(10**18))  # a loop in C that holds the interpreter
    if n == 1:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # one that does not
    return n
"""
IGNORING = STUCK.replace("SIG_DFL", "SIG_IGN")
BATCHED = """
@model(batch=3, batch_window=1.0)
def stuck(n: list[int], context: list[Context]) -> list[int]:
    Path(__file__).with_suffix(f".began-{n[0]}-{context[0].attempt}").touch()
    if 0 in n:
        HOW
    return n
"""


def how_it_ended(prediction: Prediction) -> tuple[Status, Means | None, str | None]:
    return prediction.status, prediction.stopped, prediction.error


async def test_what_runs_is_interrupted_and_cleans_up(family: Family) -> None:
    async with family.serving(family.model(STOPPABLE), replace(QUICK, beat=60.0, lease=120.0)):
        (submitted,) = await family.submit("local/sleeper", {"n": 0})
        await appears(family.folder, "*.began-0-1")
        await family.cancel(submitted)
        result = await family.result(submitted)
        (behind,) = await family.submit("local/sleeper", {"n": 1})
        assert await family.output(behind) == 1

    assert (Status.CANCELED, Means.INTERRUPTED, None) == how_it_ended(result)
    assert result.logs == "cleaned up\n"
    assert (0, 0, 0, 0) == await family.broker.depth("local/sleeper")


async def test_a_cancel_whose_message_was_lost_is_told_by_the_next_beat(family: Family) -> None:
    async with family.serving(family.model(STOPPABLE)):
        (submitted,) = await family.submit("local/sleeper", {"n": 0})
        await appears(family.folder, "*.began-0-1")
        await family.store.cancel(submitted)
        result = await family.result(submitted)

    assert (Status.CANCELED, Means.INTERRUPTED, None) == how_it_ended(result)


async def test_a_control_message_that_is_none_is_ignored(family: Family) -> None:
    async with family.serving(family.model(STOPPABLE), replace(QUICK, beat=60.0, lease=120.0)) as worker:
        (submitted,) = await family.submit("local/sleeper", {"n": 0})
        await appears(family.folder, "*.began-0-1")
        for message in (b"", b"[]", b'{"type":"dance"}', b'{"type":"cancel","prediction_id":"nothing"}'):
            await family.broker.tell(worker.id, message)
        await family.cancel(submitted)
        result = await family.result(submitted)

    assert (Status.CANCELED, Means.INTERRUPTED, None) == how_it_ended(result)


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize(("model", "how"), [(STUCK, Means.TERMINATED), (IGNORING, Means.KILLED)])
async def test_what_cannot_be_interrupted_is_ended_with_its_process(
    family: Family, n: int, model: str, how: Means
) -> None:
    async with family.serving(family.model(model), RUDE):
        (submitted,) = await family.submit("local/stuck", {"n": n})
        await appears(family.folder, f"*.began-{n}-1")
        await family.cancel(submitted)
        result = await family.result(submitted)
        (behind,) = await family.submit("local/stuck", {"n": 2})
        assert await family.output(behind) == 2

    assert (Status.CANCELED, how, None) == how_it_ended(result)
    assert ["queued", "started", "canceled"] == await family.kinds(submitted)


@pytest.mark.parametrize(
    ("how", "means"), [("sum(range(10**18))", Means.TERMINATED), ("time.sleep(3600)", Means.INTERRUPTED)]
)
async def test_the_neighbours_in_a_batch_run_again_and_are_not_charged(family: Family, how: str, means: Means) -> None:
    async with family.serving(family.model(BATCHED.replace("HOW", how)), replace(RUDE, max_attempts=1)):
        first, second, third = await family.submit("local/stuck", {"n": 1}, {"n": 0}, {"n": 2})
        await appears(family.folder, "*.began-1-1")
        await family.cancel(second)
        result = await family.result(second)
        neighbours = [await family.result(one) for one in (first, third)]

    assert (Status.CANCELED, means, None) == how_it_ended(result)
    assert [(Status.SUCCEEDED, 2, 0)] * 2 == [(one.status, one.attempt, one.charged) for one in neighbours]
    resets = [entry.event for entry in await family.log(first) if isinstance(entry.event, Reset)]
    assert ["was canceled" in reset.reason for reset in resets] == [True]


async def test_what_waits_behind_a_killed_run_runs_again_and_is_not_charged(family: Family) -> None:
    async with family.serving(family.model(STUCK), replace(RUDE, max_attempts=1)):
        (warm,) = await family.submit("local/stuck", {"n": 5})
        await family.result(warm)
        submitted = await family.submit("local/stuck", {"n": 0}, *({"n": n} for n in range(6, 12)))
        await appears(family.folder, "*.began-0-1")
        await family.cancel(submitted[0])
        result, *others = [await family.result(one) for one in submitted]

    assert (Status.CANCELED, Means.TERMINATED, None) == how_it_ended(result)
    assert {(Status.SUCCEEDED, 0)} == {(one.status, one.charged) for one in others}


async def test_what_was_claimed_and_waits_behind_another_never_begins(family: Family, tmp_path: Path) -> None:
    gates = [str(tmp_path / name) for name in "abc"]
    for gate in gates[1:]:
        let_go(gate)

    async with family.serving(family.model(GATED), replace(RUDE, cancel_grace=0.05)):
        let_go(f"{tmp_path}/warm")
        (warm,) = await family.submit("local/gated", {"gate": f"{tmp_path}/warm"})
        await family.result(warm)
        first, second, third = await family.submit("local/gated", *({"gate": gate} for gate in gates))
        await family.reaches(second, "started")
        await family.cancel(second)
        canceled = await family.result(second)
        running = await family.store.get(first)
        let_go(gates[0])
        others = [await family.result(one) for one in (first, third)]

    assert (Status.CANCELED, Means.NOT_BEGUN, None) == how_it_ended(canceled)
    assert running.status is Status.PROCESSING
    assert [(Status.SUCCEEDED, 1)] * 2 == [(one.status, one.attempt) for one in others]
    assert not (tmp_path / "b.began-1").exists()


async def test_what_shall_be_canceled_while_its_worker_drains_is_canceled(family: Family) -> None:
    async with family.serving(family.model(STOPPABLE)) as worker:
        (submitted,) = await family.submit("local/sleeper", {"n": 0})
        await appears(family.folder, "*.began-0-1")
        worker.drain()
        await family.cancel(submitted)
        result = await family.result(submitted)

    assert (Status.CANCELED, Means.INTERRUPTED, None) == how_it_ended(result)


async def test_a_result_that_settles_before_the_cancel_arrives_stays(family: Family, tmp_path: Path) -> None:
    gate = str(tmp_path / "a")
    async with family.serving(family.model(GATED)):
        (submitted,) = await family.submit("local/gated", {"gate": gate})
        await family.reaches(submitted, "started")
        let_go(gate)
        result = await family.result(submitted)
        await family.cancel(submitted)

    assert (Status.SUCCEEDED, None, None) == how_it_ended(result)
    assert result == await family.store.get(submitted)


async def test_cancels_of_a_crowd_end_everything_once(family: Family) -> None:
    target = family.model("""
@model
def brief(n: int) -> int:
    time.sleep(0.002)
    return n
""")

    async with family.serving(target, replace(RUDE, processes=2)):
        submitted = await family.submit("local/brief", *({"n": n} for n in range(200)))
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for one in submitted[::2]:
                group.create_task(family.cancel(one))
        results = [await family.result(one) for one in submitted]
        finals = [[kind for kind in await family.kinds(one) if kind in {"succeeded", "canceled"}] for one in submitted]

    assert {Status.SUCCEEDED} == {one.status for one in results[1::2]}
    assert {Status.SUCCEEDED, Status.CANCELED} >= {one.status for one in results[::2]}
    assert {1} == {len(final) for final in finals}
    assert {0} == {one.charged for one in results}
    assert (0, 0, 0, 0) == await family.broker.depth("local/brief")
