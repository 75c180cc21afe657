"""Model processes that are replaced after so many predictions, with real processes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from leveret.core.prediction import Status
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.worker.arrange import QUICK, Family, opened_apart

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


async def test_what_a_process_leaves_to_the_next_one_is_not_given_up_as_undeliverable(
    tmp_path: Path, rabbit: RabbitServer, redis: RedisServer
) -> None:
    urls = {"rabbit": rabbit.url, "redis": redis.url}
    async with opened_apart(tmp_path, **urls, namespace="recycling", delivery_limit=4) as apart:
        submitted: list[str] = []
        for n in range(12):  # of as many accounts, so that all wait in one lane
            submitted += await apart.submit("local/who", {"n": n}, account=f"account-{n}")
        async with apart.serving(apart.model(WHO.replace("OPTIONS", "max_predictions_per_process=1"))):
            results = [await apart.result(one) for one in submitted]

    assert {Status.SUCCEEDED} == {one.status for one in results}
    assert 12 == len({bytes(one.output) for one in results})
