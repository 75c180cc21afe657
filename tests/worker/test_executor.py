"""The life of a batch when something fails in the middle of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from leveret.core.events import Reset
from leveret.core.prediction import Status
from leveret.worker.executor import OUTAGE_DELAY
from tests.worker.arrange import GATED, QUICK, Family, let_go, opened

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
