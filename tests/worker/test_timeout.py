"""Runs that take longer than their model's timeout, with real processes: how each ends, and what becomes of others."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from leveret.core.outcome import Returned
from leveret.core.prediction import Prediction, Status
from leveret.worker.process import ModelProcess
from tests.worker.arrange import QUICK, Family, appears
from tests.worker.test_process import items, outcomes

pytestmark = pytest.mark.slow

RUDE = replace(QUICK, cancel_grace=0.2)
TIMEOUT = 1.0
"""Long enough for a run that does nothing, however busy the machine."""

LATE = "the run took longer than its timeout of 1 s"
SLEEPER = """
from leveret import Canceled

@model(timeout=1)
def sleeper(n: int, context: Context) -> int:
    try:
        if n == 0:
            time.sleep(3600)
        if n == 1:
            try:
                time.sleep(3600)
            except Canceled:
                return -1
    finally:
        context.log("cleaned up")
    return n
"""
STUCK = """
signal.signal(signal.SIGTERM, HOW)

@model(timeout=1)
def stuck(n: int) -> int:
    Path(__file__).with_suffix(f".began-{n}").touch()
    if n == 0:
        sum(range(10**18))  # a loop in C that holds the interpreter
    return n
"""
BATCHED = """
@model(timeout=1, batch=4, batch_window=2.0)
def stuck(n: list[int]) -> list[list[int]]:
    if 0 in n:
        HOW
    return [n] * len(n)
"""


def how_it_ended(prediction: Prediction) -> tuple[Status, str | None, int]:
    return prediction.status, prediction.error, prediction.attempt


async def test_what_takes_too_long_is_interrupted_cleans_up_and_fails_at_once(family: Family) -> None:
    async with family.serving(family.model(SLEEPER)):
        late, behind = await family.submit("local/sleeper", {"n": 0}, {"n": 2})
        result = await family.result(late)
        assert await family.output(behind) == 2

    assert (Status.FAILED, LATE, 1) == how_it_ended(result)
    assert result.logs.startswith("cleaned up\n")
    assert "time.sleep(3600)" in result.logs
    assert ["queued", "started", "logs", "logs", "failed"] == await family.kinds(late)
    assert (0, 0, 0, 0) == await family.broker.depth("local/sleeper")


async def test_a_model_that_catches_the_interrupt_and_returns_has_succeeded(family: Family) -> None:
    async with family.serving(family.model(SLEEPER)):
        (late,) = await family.submit("local/sleeper", {"n": 1})

        assert await family.output(late) == -1


@pytest.mark.parametrize(("how", "means"), [("SIG_DFL", "terminated"), ("SIG_IGN", "killed")])
async def test_what_cannot_be_interrupted_is_ended_with_its_process(family: Family, how: str, means: str) -> None:
    async with family.serving(family.model(STUCK.replace("HOW", f"signal.{how}")), RUDE):
        late, behind = await family.submit("local/stuck", {"n": 0}, {"n": 2})
        result = await family.result(late)
        assert await family.output(behind) == 2

    assert (Status.FAILED, f"{LATE}; its process had to be {means}", 1) == how_it_ended(result)


async def test_what_waits_behind_a_killed_run_runs_again_and_is_not_charged(family: Family) -> None:
    async with family.serving(family.model(STUCK.replace("HOW", "signal.SIG_DFL")), replace(RUDE, max_attempts=1)):
        (warm,) = await family.submit("local/stuck", {"n": 5})
        await family.result(warm)
        late, *behind = await family.submit("local/stuck", {"n": 0}, *({"n": n} for n in range(6, 12)))
        results = [await family.result(one) for one in behind]
        assert (Status.FAILED, 0) == ((result := await family.result(late)).status, result.charged)

    assert {(Status.SUCCEEDED, 0)} == {(one.status, one.charged) for one in results}


async def test_the_clock_of_a_run_starts_when_it_begins_and_not_when_it_is_sent(family: Family) -> None:
    target = family.model(f"""
@model(timeout={TIMEOUT})
def brief(n: int) -> int:
    time.sleep(0.1)
    return n
""")

    async with ModelProcess.started(target) as process:
        ended = await outcomes(process, items(*range(20)))

    assert [Returned(b"%d" % n) for n in range(20)] == list(ended.values())


async def test_the_timeout_of_a_stream_is_that_of_the_whole_and_what_it_put_out_stays(family: Family) -> None:
    target = family.model("""
@model(timeout=1)
def count(n: int) -> Iterator[int]:
    while True:
        yield n
        time.sleep(0.01)
""")

    async with family.serving(target):
        (late,) = await family.submit("local/count", {"n": 7})
        result = await family.result(late)

    assert (Status.FAILED, LATE, 1) == how_it_ended(result)
    assert {7} == set(json.loads(bytes(result.output)))


async def test_of_a_batch_that_takes_too_long_only_the_slow_input_fails(family: Family) -> None:
    async with family.serving(family.model(BATCHED.replace("HOW", "time.sleep(3600)"))):
        late, *others = await family.submit("local/stuck", *({"n": n} for n in range(4)))
        result = await family.result(late)
        outputs = [await family.output(one) for one in others]
        attempts = {(await family.result(one)).attempt for one in others}

    assert (Status.FAILED, LATE, 1) == how_it_ended(result)
    assert [[1], [2, 3], [2, 3]] == outputs
    assert {1} == attempts


async def test_a_batch_that_has_to_be_killed_runs_again_one_by_one_and_the_slow_input_fails(family: Family) -> None:
    target = family.model(BATCHED.replace("HOW", "sum(range(10**18))"))

    async with family.serving(target, replace(RUDE, max_attempts=1)):
        late, *others = await family.submit("local/stuck", *({"n": n} for n in range(4)))
        result = await family.result(late)
        outputs = [await family.output(one) for one in others]
        charged = {(await family.result(one)).charged for one in (late, *others)}

    assert (Status.FAILED, f"{LATE}; its process had to be terminated", 2) == how_it_ended(result)
    assert [[1], [2], [3]] == outputs
    assert {0} == charged


async def test_a_late_run_can_still_be_canceled(family: Family) -> None:
    target = family.model("""
@model(timeout=0.05)
def stubborn(n: int) -> int:
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            Path(__file__).with_suffix(".late").touch()
""")

    async with family.serving(target, replace(QUICK, cancel_grace=1.0)):
        (late,) = await family.submit("local/stubborn", {"n": 1})
        await appears(family.folder, "*.late")
        await family.cancel(late)
        result = await family.result(late)

    assert result.status is Status.CANCELED
