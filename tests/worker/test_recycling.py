"""Model processes that are replaced after so many predictions, with real processes."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from leveret.core.prediction import Status
from tests.worker.arrange import QUICK, Family

pytestmark = pytest.mark.slow

WHO = """
@model(OPTIONS)
def who(n: int) -> int:
    return os.getpid()
"""
TOGETHER = """
@model(batch=4, batch_window=1.0, max_predictions_per_process=6)
def who(n: list[int]) -> list[str]:
    return [f"{os.getpid()} {len(n)}"] * len(n)
"""


@pytest.mark.parametrize(("options", "setting"), [("max_predictions_per_process=4", 1), ("", 4)])
async def test_after_its_share_a_process_is_replaced_and_nothing_is_lost_or_charged(
    family: Family, options: str, setting: int
) -> None:
    target = family.model(WHO.replace("OPTIONS", options))

    async with family.serving(target, replace(QUICK, max_predictions_per_process=setting)):
        submitted = await family.submit("local/who", *({"n": n} for n in range(12)))
        results = [await family.result(one) for one in submitted]

    assert {(Status.SUCCEEDED, 1, 0)} == {(one.status, one.attempt, one.charged) for one in results}
    assert [4, 4, 4] == list(Counter(bytes(one.output) for one in results).values())
    assert (0, 0, 0, 0) == await family.broker.depth("local/who")


async def test_a_batch_is_no_larger_than_what_is_left_of_the_share(family: Family) -> None:
    async with family.serving(family.model(TOGETHER)):
        submitted = await family.submit("local/who", *({"n": n} for n in range(12)))
        outputs = [str(await family.output(one)).split() for one in submitted]

    assert ["4", "4", "4", "4", "2", "2"] * 2 == [size for _, size in outputs]
    assert [6, 6] == list(Counter(pid for pid, _ in outputs).values())
