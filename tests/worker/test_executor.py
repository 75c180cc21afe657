"""The life of a batch when something fails in the middle of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from leveret.backends.sqlite.store import SqliteStore
from leveret.core.events import Output, Report, Reset
from leveret.core.ports import Running
from leveret.core.prediction import Status
from leveret.errors import InvalidOutput
from leveret.worker.executor import OUTAGE_DELAY
from tests.worker.arrange import GATED, QUICK, Family, Json, appears, let_go, opened, take_one

pytestmark = pytest.mark.slow


async def test_what_could_not_be_recorded_is_done_again_when_the_store_is_back(tmp_path: Path) -> None:
    gate = str(tmp_path / "a")
    async with opened(tmp_path) as family:
        target = family.model(GATED)
        async with family.serving(target, replace(QUICK, lease=0.3)):
            (submitted,) = await family.submit("local/gated", {"gate": gate})
            await family.reaches(submitted, "started")
            await family.database.close()
            let_go(gate)

    let_go(gate, attempt=2)
    async with opened(tmp_path) as family, family.serving(target):
        result = await family.result(submitted)

    assert (Status.SUCCEEDED, 2) == (result.status, result.attempt)


async def test_a_run_that_nobody_hears_any_more_is_stopped(tmp_path: Path) -> None:
    async with opened(tmp_path) as family:
        target = family.model("""
@model
def endless(gate: str) -> Iterator[int]:
    try:
        while True:
            yield 1
            time.sleep(0.05)
    finally:
        Path(f"{gate}.stopped").touch()
""")
        async with family.serving(target, replace(QUICK, lease=0.3)):
            (submitted,) = await family.submit("local/endless", {"gate": str(tmp_path / "a")})
            await family.reaches(submitted, "output")
            await family.database.close()

            await appears(tmp_path, "a.stopped")


class Narrow(SqliteStore):
    """Takes ten bytes at a time, as a gateway takes some MiB."""

    async def append(self, run: Running, reports: Sequence[Report], *, worker: str, number: int) -> bool:
        if any(len(chunk) > 10 for one in reports if isinstance(one, Output) for chunk in map(bytes, one.chunks)):
            raise InvalidOutput(reason="it is too much at a time")
        return await super().append(run, reports, worker=worker, number=number)


async def test_a_run_that_puts_out_more_at_a_time_than_is_taken_fails_alone_and_for_good(tmp_path: Path) -> None:
    async with opened(tmp_path) as embedded:
        family = dataclasses.replace(embedded, store=Narrow(embedded.database))
        target = family.model("""
@model
def spell(text: str) -> Iterator[str]:
    yield "a"
    yield text
""")
        async with family.serving(target):
            large, small = await family.submit("local/spell", {"text": "x" * 20}, {"text": "b"})
            failed, succeeded = await family.result(large), await family.result(small)

    assert (Status.FAILED, 1) == (failed.status, failed.attempt)
    assert "too much at a time" in str(failed.error)
    assert (Status.SUCCEEDED, b'["a","b"]') == (succeeded.status, bytes(succeeded.output))


async def test_an_output_that_cannot_be_stored_is_made_again_when_it_can(family: Family) -> None:
    target = family.model("""
@model
def large(n: int) -> str:
    return "x" * n
""")
    obstacle = family.folder / "blobs"
    obstacle.touch()

    async with family.serving(target, replace(QUICK, inline_limit=1000)):
        (submitted,) = await family.submit("local/large", {"n": 5000})
        await family.reaches(submitted, "reset")
        obstacle.unlink()
        result = await family.result(submitted)

    assert (Status.SUCCEEDED, 2) == (result.status, result.attempt)
    assert result.output_blob is not None
    (delay,) = [entry.event.delay for entry in await family.log(submitted) if isinstance(entry.event, Reset)]
    assert OUTAGE_DELAY == delay


async def test_what_has_lost_a_worker_is_claimed_only_when_its_turn_comes(family: Family, tmp_path: Path) -> None:
    gates = [str(tmp_path / name) for name in "ab"]
    target = family.model("""
@model(batch=4, batch_window=2.0)
def gated(gate: list[str], contexts: list[Context]) -> list[int]:
    for one, context in zip(gate, contexts):
        Path(f"{one}.began-{context.attempt}").touch()
        while not os.path.exists(f"{one}.open-{context.attempt}"):
            time.sleep(0.002)
    return [context.attempt for context in contexts]
""")
    lost = [await lost_with_its_worker(family, {"gate": gate}) for gate in gates]
    for one in lost:
        await family.broker.publish(await family.store.get(one))  # as the sweeper does

    async with family.serving(target):
        await appears(tmp_path, "a.began-2")
        waiting = await family.store.get(lost[1])
        for gate in gates:
            let_go(gate, attempt=2)
        results = [await family.result(one) for one in lost]

    assert ("gone", 1) == (waiting.worker, waiting.attempt)
    assert [(Status.SUCCEEDED, 2, 1)] * 2 == [(one.status, one.attempt, one.charged) for one in results]


async def lost_with_its_worker(family: Family, given: Mapping[str, Json]) -> str:
    """A prediction that was claimed by a worker which is gone, with its message."""
    (submitted,) = await family.submit("local/gated", given)
    async with family.broker.consume("local/gated", ahead=1) as deliveries:
        delivery = await take_one(deliveries)
        await family.store.claim([delivery.prediction], worker="gone", lease=0.0)
        delivery.ack()
    return submitted


@pytest.mark.parametrize("body", ['return "x" * size', 'yield from "x" * size', 'return File(b"x" * size)'])
async def test_an_output_larger_than_it_may_be_fails_and_its_neighbour_does_not(family: Family, body: str) -> None:
    kind = {"return F": "File", "yield fr": "Iterator[str]"}.get(body[:8], "str")
    target = family.model(f"""
from leveret import File

@model
def big(size: int) -> {kind}:
    {body}
""")

    async with family.serving(target, replace(QUICK, max_output=5000)):
        large, small = await family.submit("local/big", {"size": 6000}, {"size": 1000})
        failed, succeeded = await family.result(large), await family.result(small)

    assert (Status.FAILED, Status.SUCCEEDED) == (failed.status, succeeded.status)
    assert "more than 5000 bytes; return less, or raise worker.max_output" in str(failed.error)
    assert 1 == failed.attempt
