"""What becomes of a prediction whose runs come to nothing: when it runs again, how often, and how it ends."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from leveret.core.events import Failed, Reset, Started, Why
from leveret.core.prediction import Status
from tests.worker.arrange import GATED, QUICK, Family, appears, let_go

pytestmark = pytest.mark.slow

UNSTEADY = """
from leveret import Retry

class Busy(ConnectionError):
    pass

@model(retries=2, retry_on=(ConnectionError, TimeoutError))
def unsteady(how: str, failing: int, context: Context) -> int:
    if context.attempt > failing:
        return context.attempt
    print("run", context.attempt)
    match how:
        case "retry":
            raise Retry("the quota is used up", after=1)
        case "bare":
            raise Retry
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case "value":
            raise ValueError("no")
    raise Busy("try later")
"""


async def test_a_model_that_asks_for_another_run_gets_it_and_succeeds(family: Family) -> None:
    async with family.serving(family.model(UNSTEADY)):
        (submitted,) = await family.submit("local/unsteady", {"how": "retry", "failing": 1})
        result = await family.result(submitted)

    assert (Status.SUCCEEDED, b"2", 2, 1) == (result.status, bytes(result.output), result.attempt, result.charged)
    log = [entry.event for entry in await family.log(submitted)]
    assert ["queued", "started", "logs", "logs", "reset", "started", "succeeded"] == await family.kinds(submitted)
    (reset,) = [event for event in log if isinstance(event, Reset)]
    assert ("the quota is used up", 1, 1) == (reset.reason, reset.attempt, reset.charged)
    _, again = [event for event in log if isinstance(event, Started)]
    assert again.at - reset.at >= 0.9  # it has asked for a second
    assert 'raise Retry("the quota is used up", after=1)' in result.logs


async def test_an_exception_that_the_model_has_named_is_worth_another_run(family: Family) -> None:
    async with family.serving(family.model(UNSTEADY)):
        (submitted,) = await family.submit("local/unsteady", {"how": "named", "failing": 1})
        result = await family.result(submitted)

    assert (Status.SUCCEEDED, 2) == (result.status, result.attempt)
    resets = [entry.event for entry in await family.log(submitted) if isinstance(entry.event, Reset)]
    assert ["Busy: try later"] == [reset.reason for reset in resets]


async def test_any_other_exception_fails_at_once_and_is_no_dead_letter(family: Family) -> None:
    async with family.serving(family.model(UNSTEADY)):
        (submitted,) = await family.submit("local/unsteady", {"how": "value", "failing": 9})
        result = await family.result(submitted)

    assert (Status.FAILED, "ValueError: no", 1) == (result.status, result.error, result.attempt)
    assert await died(family, submitted) is None


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("bare", "the model asked for another run (attempt 2 of 2)"),
        ("named", "Busy: try later (attempt 2 of 2)"),
        ("crash", "the model process was killed by signal 9, probably out of memory (attempt 2 of 2)"),
    ],
)
async def test_what_fails_in_its_last_run_fails_with_the_reason_of_that(family: Family, how: str, error: str) -> None:
    async with family.serving(family.model(UNSTEADY.replace("retries=2", "retries=1"))):
        (submitted,) = await family.submit("local/unsteady", {"how": how, "failing": 9})
        result = await family.result(submitted)

    assert (Status.FAILED, error, 2) == (result.status, result.error, result.attempt)
    assert await died(family, submitted) is Why.EXHAUSTED
    kinds = [kind for kind in await family.kinds(submitted) if kind != "logs"]
    assert ["queued", "started", "reset", "started", "failed"] == kinds


@pytest.mark.parametrize("how", ["retry", "named", "crash"])
async def test_without_retries_it_runs_once(family: Family, how: str) -> None:
    async with family.serving(family.model(UNSTEADY.replace("retries=2", "retries=0"))):
        (submitted,) = await family.submit("local/unsteady", {"how": how, "failing": 9})
        result = await family.result(submitted)

    assert (Status.FAILED, 1) == (result.status, result.attempt)
    assert (result.error or "").endswith(" (attempt 1 of 1)")


async def test_a_model_that_says_nothing_of_retries_has_the_limit_of_its_worker(family: Family) -> None:
    target = family.model(UNSTEADY.replace("retries=2, ", ""))

    async with family.serving(target, replace(QUICK, max_attempts=1)):
        (submitted,) = await family.submit("local/unsteady", {"how": "retry", "failing": 9})
        result = await family.result(submitted)

    assert "the quota is used up (attempt 1 of 1)" == result.error


async def test_what_a_stream_has_put_out_before_it_asks_again_does_not_count(family: Family) -> None:
    target = family.model("""
from leveret import Retry

@model
def stream(n: int, context: Context) -> Iterator[int]:
    for number in range(n):
        yield number + 10 * context.attempt
        if number == context.attempt:
            raise Retry(after=0)
""")

    async with family.serving(target):
        (submitted,) = await family.submit("local/stream", {"n": 3})

        assert [30, 31, 32] == await family.output(submitted)


async def test_in_a_batch_only_what_asks_for_another_run_gets_one(family: Family) -> None:
    target = family.model("""
from leveret import Retry

@model(batch=4, batch_window=1.0)
def picky(n: list[int], contexts: list[Context]) -> list[int]:
    if any(one == 2 and context.attempt == 1 for one, context in zip(n, contexts)):
        raise Retry("not today")
    return [context.attempt for context in contexts]
""")
    submitted = await family.submit("local/picky", *({"n": n} for n in range(4)))

    async with family.serving(target):
        results = [await family.result(one) for one in submitted]

    assert [1, 1, 2, 1] == [one.attempt for one in results]
    assert {Status.SUCCEEDED} == {one.status for one in results}


async def test_two_crashes_on_different_workers_are_poison(family: Family) -> None:
    target = family.model("""
@model
def deadly(n: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return n
""")
    settings = replace(QUICK, max_attempts=5)

    async with family.serving(target, settings) as first:
        (submitted,) = await family.submit("local/deadly", {"n": 1})
        await family.reaches(submitted, "reset")
        first.drain()
        async with family.serving(target, settings) as second:
            result = await family.result(submitted)

    assert (Status.FAILED, second.id) == (result.status, result.worker)
    assert "killed by signal 9, probably out of memory, on a second worker" in (result.error or "")
    assert await died(family, submitted) is Why.POISON
    workers = [entry.event.worker for entry in await family.log(submitted) if isinstance(entry.event, Started)]
    assert [first.id, second.id] == sorted(set(workers), key=workers.index)
    assert 1 == workers.count(second.id)


async def test_what_is_handed_back_is_not_charged_and_runs_as_often_as_it_must(family: Family) -> None:
    gate, target = str(family.folder / "a"), family.model(GATED.replace("@model", "@model(retries=0)"))
    (submitted,) = await family.submit("local/gated", {"gate": gate})

    for attempt in (1, 2, 3):
        async with family.serving(target) as worker:
            await appears(family.folder, f"a.began-{attempt}")
            worker.drain()
            worker.drain()
    let_go(gate, attempt=4)
    async with family.serving(target):
        result = await family.result(submitted)

    assert (Status.SUCCEEDED, 4, 0) == (result.status, result.attempt, result.charged)


async def died(family: Family, prediction_id: str) -> Why | None:
    """Why it is a dead letter, if it is, when it has failed."""
    last = (await family.log(prediction_id))[-1].event
    assert isinstance(last, Failed)
    return last.dead
