"""Short trials, each of a seed; `make chaos SECONDS=300 SEED=1` runs a long one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.chaos.faults import KINDS, schedule
from tests.chaos.trial import trial


def test_a_seed_decides_the_schedule_and_a_longer_one_begins_with_a_shorter_one() -> None:
    short, long = schedule(1, 20.0), schedule(1, 500.0)

    assert long[: len(short)] == short
    assert schedule(2, 20.0) != short
    assert {fault.kind for fault in long} == set(KINDS)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(400)
async def test_whatever_strikes_nothing_is_lost_doubled_or_stuck() -> None:
    folder = Path(tempfile.mkdtemp(prefix="leveret-chaos-"))  # it stays when the trial fails

    verdict = await trial(folder, seed=6, seconds=20.0)

    assert not verdict.violations, verdict.report()
    verdict.discard()
