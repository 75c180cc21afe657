"""Asynchronous models on the embedded family, with real processes: what becomes of runs that share one."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from leveret.core.events import Reset
from leveret.core.prediction import Means, Prediction, Status
from tests.worker.arrange import PATIENCE, QUICK, Family, appears, let_go

pytestmark = pytest.mark.slow

RUDE = replace(QUICK, cancel_grace=0.2, beat=60.0, lease=120.0)
GATED = """
import asyncio
from collections.abc import AsyncIterator

@model(concurrency=3)
async def gated(gate: str, context: Context) -> int:
    Path(f"{gate}.began-{context.attempt}").touch()
    print(gate)
    try:
        while not os.path.exists(f"{gate}.open-{context.attempt}"):
            await asyncio.sleep(0.002)
            HOW
    except asyncio.CancelledError:
        context.log("canceled")
        raise
    return context.attempt
"""
BLOCKED = GATED.replace("HOW", 'if gate.endswith("block"): time.sleep(3600)')
CRASHING = GATED.replace("HOW", 'if gate.endswith("crash") and Path(gate).exists(): os._exit(3)')
PLAIN = GATED.replace("HOW", "pass")


def how_it_ended(prediction: Prediction) -> tuple[Status, Means | None, int]:
    return prediction.status, prediction.stopped, prediction.charged


async def submitted(family: Family, *names: str) -> dict[str, str]:
    """A prediction for each gate of these names in the family's folder; their ids."""
    ids = await family.submit("local/gated", *({"gate": str(family.folder / name)} for name in names))
    return dict(zip(names, ids, strict=True))


async def began(family: Family, *names: str, attempt: int = 1) -> None:
    for name in names:
        await appears(family.folder, f"{name}.began-{attempt}")


def opened(family: Family, *names: str, attempt: int = 1) -> None:
    for name in names:
        let_go(str(family.folder / name), attempt=attempt)


async def test_a_slow_run_does_not_hold_back_the_slots_of_the_others(family: Family) -> None:
    quick = [f"quick-{number}" for number in range(20)]

    async with family.serving(family.model(PLAIN)):
        ids = await submitted(family, "slow")
        await began(family, "slow")
        ids |= await submitted(family, *quick)
        opened(family, *quick)
        results = [await family.result(ids[name]) for name in quick]
        slow = await family.store.get(ids["slow"])
        opened(family, "slow")
        await family.result(ids["slow"])

    assert {Status.SUCCEEDED} == {one.status for one in results}
    assert Status.PROCESSING is slow.status
    assert (0, 0, 0, 0) == await family.broker.depth("local/gated")


async def test_one_of_many_is_canceled_and_no_other_notices(family: Family) -> None:
    async with family.serving(family.model(PLAIN), replace(QUICK, beat=60.0, lease=120.0)):
        ids = await submitted(family, "a", "b", "c")
        await began(family, *ids)
        await family.cancel(ids["b"])
        canceled = await family.result(ids["b"])
        opened(family, "a", "c")
        others = [await family.result(ids[name]) for name in "ac"]

    assert (Status.CANCELED, Means.INTERRUPTED, 0) == how_it_ended(canceled)
    assert f"{family.folder}/b\ncanceled\n" == canceled.logs
    assert [(Status.SUCCEEDED, 1)] * 2 == [(one.status, one.attempt) for one in others]
    assert [f"{family.folder}/{name}\n" for name in "ac"] == [one.logs for one in others]


async def test_a_run_that_blocks_the_loop_is_ended_with_its_process_and_its_neighbours_are_not_charged(
    family: Family,
) -> None:
    async with family.serving(family.model(BLOCKED), replace(RUDE, max_attempts=1)):
        ids = await submitted(family, "a", "b")
        await began(family, *ids)
        ids |= await submitted(family, "block")
        await began(family, "block")
        await family.cancel(ids["block"])
        canceled = await family.result(ids["block"])
        opened(family, "a", "b", attempt=2)
        others = [await family.result(ids[name]) for name in "ab"]

    assert (Status.CANCELED, Means.TERMINATED, 0) == how_it_ended(canceled)
    assert [(Status.SUCCEEDED, None, 0)] * 2 == [how_it_ended(one) for one in others]
    resets = [entry.event for entry in await family.log(ids["a"]) if isinstance(entry.event, Reset)]
    assert ["its model process was ended because a prediction beside it was canceled"] == [one.reason for one in resets]


async def test_a_crash_strikes_all_that_had_begun_and_none_that_waited(family: Family) -> None:
    async with family.serving(family.model(CRASHING), replace(QUICK, max_attempts=1)):
        ids = await submitted(family, "a", "b", "crash")
        await began(family, *ids)
        ids |= await submitted(family, "d")
        (family.folder / "crash").touch()
        struck = [await family.result(ids[name]) for name in ("a", "b", "crash")]
        opened(family, "d")
        waited = await family.result(ids["d"])

    assert [Status.FAILED] * 3 == [one.status for one in struck]
    assert {"the model process ended with exit code 3 (attempt 1 of 1)"} == {one.error for one in struck}
    assert (Status.SUCCEEDED, 0) == (waited.status, waited.charged)


async def test_the_last_try_after_a_crash_is_made_alone_so_that_the_innocent_succeed(family: Family) -> None:
    target = family.model("""
import asyncio
under_way, counts = set(), []

@model(concurrency=3)
async def fragile(n: int, context: Context) -> int:
    under_way.add(n)
    counts.append(len(under_way))
    Path(__file__).with_suffix(f".began-{n}-{context.attempt}").touch()
    while n == 13 and len(under_way) < 3 and context.attempt == 1:
        await asyncio.sleep(0.002)
    if n == 13:
        os._exit(3)
    await asyncio.sleep(3600 if context.attempt == 1 else 0.1)
    under_way.remove(n)
    return max(counts)
""")

    async with family.serving(target, replace(QUICK, max_attempts=2)):
        ids = await family.submit("local/fragile", {"n": 1}, {"n": 2}, {"n": 13})
        first, second, guilty = [await family.result(one) for one in ids]

    assert [(Status.SUCCEEDED, None, 1, b"1")] * 2 == [
        (*how_it_ended(one), bytes(one.output)) for one in (first, second)
    ]
    assert "the model process ended with exit code 3 (attempt 2 of 2)" == guilty.error


async def test_draining_finishes_all_that_runs_and_leaves_the_rest_in_the_queue(family: Family) -> None:
    async with family.serving(family.model(PLAIN)) as worker:
        ids = await submitted(family, "a", "b", "c", "d")
        await began(family, "a", "b", "c")
        worker.drain()
        opened(family, "a", "b", "c")
        results = [await family.result(ids[name]) for name in "abc"]

    assert [Status.SUCCEEDED] * 3 == [one.status for one in results]
    assert Status.STARTING is (await family.store.get(ids["d"])).status
    assert 1 == sum(await family.broker.depth("local/gated"))


async def test_what_is_not_done_within_the_grace_is_handed_back(family: Family) -> None:
    async with family.serving(family.model(PLAIN), replace(QUICK, grace=0.05)) as worker:
        ids = await submitted(family, "a", "b")
        await began(family, *ids)
        worker.drain()

    found = [await family.store.get(prediction_id) for prediction_id in ids.values()]
    assert [(Status.STARTING, None, 0)] * 2 == [how_it_ended(one) for one in found]
    assert 2 == sum(await family.broker.depth("local/gated"))


async def test_a_crowd_of_streams_each_gets_its_own_chunks(family: Family) -> None:
    target = family.model("""
import asyncio
from collections.abc import AsyncIterator

@model(concurrency=8)
class Count:
    async def setup(self) -> None:
        self.gate = asyncio.Semaphore(4)

    async def predict(self, n: int) -> AsyncIterator[int]:
        for number in range(n, n + 50):
            async with self.gate:
                await asyncio.sleep(0)
            yield number
""")

    async with family.serving(target, replace(QUICK, processes=2)):
        ids = await family.submit("local/count", *({"n": 100 * n} for n in range(100)))

        assert [list(range(100 * n, 100 * n + 50)) for n in range(100)] == [await family.output(one) for one in ids]


async def test_cancels_of_a_crowd_end_everything_once(family: Family) -> None:
    target = family.model("""
import asyncio

@model(concurrency=8)
async def brief(n: int) -> int:
    await asyncio.sleep(0.01)
    return n
""")

    async with family.serving(target, replace(RUDE, cancel_grace=5.0)):
        ids = await family.submit("local/brief", *({"n": n} for n in range(200)))
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for one in ids[::2]:
                group.create_task(family.cancel(one))
        results = [await family.result(one) for one in ids]
        finals = [[kind for kind in await family.kinds(one) if kind in {"succeeded", "canceled"}] for one in ids]

    assert {Status.SUCCEEDED} == {one.status for one in results[1::2]}
    assert {Status.SUCCEEDED, Status.CANCELED} >= {one.status for one in results[::2]}
    assert {1} == {len(final) for final in finals}
    assert {(1, 0)} == {(one.attempt, one.charged) for one in results if one.status is Status.SUCCEEDED}
    assert (0, 0, 0, 0) == await family.broker.depth("local/brief")


async def test_only_the_run_that_takes_too_long_is_stopped(family: Family) -> None:
    target = family.model(PLAIN.replace("concurrency=3", "concurrency=3, timeout=0.5"))
    async with family.serving(target, RUDE):
        ids = await submitted(family, "slow", "fine")
        opened(family, "fine")
        slow, fine = [await family.result(ids[name]) for name in ("slow", "fine")]

    assert (Status.FAILED, "the run took longer than its timeout of 0.5 s") == (slow.status, slow.error)
    assert "canceled" in slow.logs
    assert "CancelledError" in slow.logs
    assert (Status.SUCCEEDED, 1) == (fine.status, fine.attempt)


async def test_one_that_takes_too_long_and_never_awaits_is_ended_with_its_process(family: Family) -> None:
    target = family.model(BLOCKED.replace("concurrency=3", "concurrency=3, timeout=0.5"))
    async with family.serving(target, RUDE):
        ids = await submitted(family, "block", "fine")
        blocked = await family.result(ids["block"])
        opened(family, "fine", attempt=2)
        opened(family, "fine")
        await family.result(ids["fine"])

    assert Status.FAILED is blocked.status
    assert blocked.error is not None
    assert blocked.error.startswith("the run took longer than its timeout of 0.5 s; its process had to be ")
