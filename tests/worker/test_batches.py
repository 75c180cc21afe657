"""Which inputs share a call of a batched model, and what becomes of them when the call fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from leveret.core.outcome import Outcome, Raised, Returned
from leveret.core.prediction import Status
from leveret.worker.child.batches import REGROW
from leveret.worker.frames import Ready, Wrote
from tests.worker.arrange import Family
from tests.worker.child_process import ChildProcess, child_process

pytestmark = pytest.mark.slow  # each process is a new interpreter, which takes about half a second

BATCHED = Path(__file__).parent / "batched.py"

Serve: TypeAlias = Callable[[str], ChildProcess]
Calls: TypeAlias = list[list[int]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """A process for one test."""
    with ExitStack() as stack:

        def serve(name: str) -> ChildProcess:
            child = stack.enter_context(child_process(f"{BATCHED}:{name}", folder=tmp_path))
            child.receive(Ready)
            return child

        yield serve


def numbers(*given: int) -> list[bytes]:
    return [json.dumps({"numbers": number}).encode() for number in given]


def calls(outcome: Outcome) -> Calls:
    """The calls that there were up to the one that answered this."""
    assert isinstance(outcome, Returned), outcome
    answer: Calls = json.loads(outcome.output)
    return answer


def errors(outcomes: list[Outcome]) -> list[str | None]:
    return [outcome.error if isinstance(outcome, Raised) else None for outcome in outcomes]


# A call that raises


def test_only_the_bad_input_of_a_batch_fails(serve: Serve) -> None:
    outcomes = serve("picky").run(*numbers(0, 1, 2, 3, 4, -5, 6, 7))

    assert [None] * 5 + ["ValueError: -5 is negative"] + [None] * 2 == errors(outcomes)
    assert [[0, 1, 2, 3, 4, -5, 6, 7], [0, 1, 2, 3], [4, -5, 6, 7], [4, -5], [4], [-5], [6, 7]] == calls(outcomes[-1])


def test_several_bad_inputs_each_fail_with_their_own_error(serve: Serve) -> None:
    outcomes = serve("picky").run(*numbers(-1, 2, -3))

    assert ["ValueError: -1 is negative", None, "ValueError: -3 is negative"] == errors(outcomes)


def test_an_input_runs_only_so_often_as_the_batch_can_be_halved(serve: Serve) -> None:
    outcomes = serve("picky").run(*numbers(*range(15), -1))
    made = calls(outcomes[-2])

    assert all(sum(number in call for call in made) <= 5 for number in range(15))


def test_the_logs_of_a_failed_call_belong_to_all_that_were_in_it(serve: Serve) -> None:
    child = serve("picky")

    _, said = child.watch(*numbers(1, -2))
    logs = {
        run: "".join(one.text for one in said if isinstance(one, Wrote) and one.id == run) for run in ("1-0", "1-1")
    }

    assert {"1-0": "1 -2\n1\n", "1-1": "1 -2\n-2\n"} == logs


# A call that lacks memory


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_batch_that_lacks_memory_is_run_in_halves_and_the_next_one_too(serve: Serve, kind: int) -> None:
    child = serve("hungry")
    given = [kind] * 8

    child.run(*numbers(*given))
    (*_, last) = child.run(*numbers(*given))

    assert [8, 4, 4, 4, 4] == [len(call) for call in calls(last)]


def test_the_size_of_calls_shrinks_as_far_as_it_must(serve: Serve) -> None:
    child = serve("hungry")
    child.run(*numbers(1001))

    outcomes = child.run(*numbers(*range(5)))

    assert [None] * 5 == errors(outcomes)
    assert [5, 3, 2, 1, 1, 1, 1, 1] == [len(call) for call in calls(outcomes[-1])]


def test_after_some_calls_that_went_well_the_size_grows_again(serve: Serve) -> None:
    child = serve("hungry")
    child.run(*numbers(*range(8)))  # two calls of four go well
    child.run(*numbers(1008))
    for _ in range(REGROW - 5):
        child.run(*numbers(0))

    (*_, small) = child.run(*numbers(*range(8)))
    (*_, large) = child.run(*numbers(*range(8)))

    assert [4, 4, 8] == [len(call) for call in calls(large)[-3:]]
    assert [1, 4, 4] == [len(call) for call in calls(small)[-3:]]


def test_an_input_that_lacks_memory_alone_fails(serve: Serve) -> None:
    outcomes = serve("hungry").run(*numbers(3, -1, 5))

    assert [None, "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB", None] == errors(outcomes)


# The key


def test_only_inputs_with_the_same_key_share_a_call(serve: Serve) -> None:
    inputs = [
        json.dumps({"numbers": number, "size": size}).encode()
        for number, size in enumerate([[64, 64], [32], [64, 64], [], [32], [64, 64]])
    ]

    outcomes = serve("sorted_by_size").run(*inputs)

    assert [[0, 2, 5], [1, 4], [3]] == calls(outcomes[3])


def test_a_key_of_several_names_is_the_same_if_all_are(serve: Serve) -> None:
    inputs = [
        json.dumps({"numbers": number, "size": size, "steps": steps}).encode()
        for number, (size, steps) in enumerate([(1, 1), (1, 2), (2, 1), (1, 1)])
    ]

    outcomes = serve("sorted_by_two").run(*inputs)

    assert [[0, 3], [1], [2]] == calls(outcomes[2])


def test_keys_that_cannot_be_compared_are_different(serve: Serve) -> None:
    inputs = [json.dumps({"numbers": number, "touchy": {"number": 1}}).encode() for number in range(2)]

    outcomes = serve("sorted_by_touchy").run(*inputs)

    assert [[0], [1]] == calls(outcomes[1])


async def test_in_a_served_batch_only_the_bad_prediction_fails(family: Family) -> None:
    target = family.model("""
@model(batch=8, batch_window=1.0)
def halves(n: list[int]) -> list[int]:
    if 3 in n:
        raise ValueError("three")
    return [one // 2 for one in n]
""")
    submitted = await family.submit("local/halves", *[{"n": n} for n in range(8)])

    async with family.serving(target):
        results = [await family.result(one) for one in submitted]

    assert [Status.FAILED if n == 3 else Status.SUCCEEDED for n in range(8)] == [one.status for one in results]
    assert [1] * 8 == [one.attempt for one in results]
