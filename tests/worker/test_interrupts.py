"""A cancel strikes the run that it means, and nothing else: not the next run, and not our own code."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from leveret.core.outcome import HandedBack, Outcome, Overran, Returned, Stopped, Streamed
from leveret.core.prediction import Means
from leveret.worker.frames import Cancel, Chunks, Ended, Frame, Item, Progressed, Ready, Run, TimeUp, Wrote
from tests.worker.child_process import ChildProcess, child_process

pytestmark = pytest.mark.slow

SERVED = Path(__file__).parent / "stoppable.py"
INTERRUPTED = Stopped(Means.INTERRUPTED)


@pytest.fixture
def child(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ChildProcess]:
    """A process that serves the model that the test names."""
    with child_process(f"{SERVED}:{request.param}", folder=tmp_path) as child:
        child.receive(Ready)
        yield child


def serving(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("child", [name], indirect=True)


def begin(child: ChildProcess, *inputs: bytes) -> list[Item]:
    """Run these, each in a call of its own, and wait until the first says that it has begun."""
    items = child.items(*inputs)
    child.send(*[Run([item]) for item in items])
    while not isinstance(child.next(), Progressed):
        pass
    return items


def cancel(child: ChildProcess, *items: Item) -> None:
    child.send(*[Cancel(item.id, item.attempt) for item in items])


def ends(child: ChildProcess, *items: Item) -> tuple[dict[str, Outcome], list[Frame]]:
    """How these end, and what is said before they have."""
    outcomes: dict[str, Outcome] = {}
    said: list[Frame] = []
    while len(outcomes) < len(items):
        match child.next():
            case Ended(id=prediction_id, outcome=outcome):
                outcomes[prediction_id] = outcome
            case frame:
                said.append(frame)
    return outcomes, said


@serving("sleep")
@pytest.mark.parametrize(
    ("how", "outcome"),
    [("", INTERRUPTED), ("raise", INTERRUPTED), ("return", Returned(b'"finished all the same"'))],
)
def test_what_sleeps_is_interrupted_and_cleans_up(child: ChildProcess, how: str, outcome: Outcome) -> None:
    (item,) = begin(child, b'{"how":"%s"}' % how.encode())

    cancel(child, item)
    outcomes, said = ends(child, item)

    assert {item.id: outcome} == outcomes
    assert [Wrote(item.id, 1, "cleaned up\n")] == said


@serving("doze")
def test_a_signal_that_comes_just_before_the_model_waits_is_not_lost(child: ChildProcess) -> None:
    for _ in range(200):
        (item,) = begin(child, b"{}")
        cancel(child, item)
        assert {item.id: INTERRUPTED} == ends(child, item)[0]


@serving("spin")
def test_what_never_waits_is_interrupted(child: ChildProcess) -> None:
    (item,) = begin(child, b"{}")

    cancel(child, item)

    assert {item.id: INTERRUPTED} == ends(child, item)[0]


@serving("count")
def test_a_generator_is_closed_and_what_it_has_put_out_is_told(child: ChildProcess) -> None:
    (item,) = begin(child, b"{}")
    first = child.receive(Chunks)

    cancel(child, item)
    outcomes, said = ends(child, item)

    assert {item.id: INTERRUPTED} == outcomes
    assert Wrote(item.id, 1, "closed\n") in said
    numbers = [json.loads(chunk) for frame in [first, *said] if isinstance(frame, Chunks) for chunk in frame.chunks]
    assert numbers == list(range(len(numbers)))


@serving("sleep")
def test_what_has_not_begun_never_does_and_is_told_at_once(child: ChildProcess) -> None:
    running, *waiting = begin(child, b"{}", b"{}", b"{}")

    cancel(child, *waiting)
    outcomes, _ = ends(child, *waiting)
    cancel(child, running)
    afterwards, said = ends(child, running)

    assert {one.id: Stopped(Means.NOT_BEGUN) for one in waiting} == outcomes
    assert {running.id: INTERRUPTED} == afterwards
    assert {running.id} == {frame.id for frame in said if isinstance(frame, Wrote)}


@serving("sleep")
def test_a_cancel_of_what_has_ended_or_is_unknown_strikes_nobody(child: ChildProcess) -> None:
    (first,) = begin(child, b"{}")
    cancel(child, first)
    ends(child, first)

    (second,) = begin(child, b"{}")
    cancel(child, first, Item("unknown", 1, b""), Item(second.id, 2, b""), second)

    assert {second.id: INTERRUPTED} == ends(child, second)[0]


@serving("sleep")
def test_a_timeout_of_a_call_that_has_ended_strikes_nobody(child: ChildProcess) -> None:
    (first,) = begin(child, b"{}")
    cancel(child, first)
    ends(child, first)

    (second,) = begin(child, b"{}")
    child.send(TimeUp(1, 7.0), TimeUp(3, 7.0))
    cancel(child, second)
    assert {second.id: INTERRUPTED} == ends(child, second)[0]

    (third,) = begin(child, b"{}")
    child.send(TimeUp(3, 60.0))
    (outcome,) = ends(child, third)[0].values()
    assert isinstance(outcome, Overran)
    assert (60.0, Means.INTERRUPTED) == (outcome.timeout, outcome.how)


@serving("together")
def test_the_neighbours_of_a_batch_are_handed_back(child: ChildProcess) -> None:
    items = child.items(b'{"numbers":0}', b'{"numbers":1}', b'{"numbers":2}')
    child.send(Run(items))
    child.receive(Progressed)

    cancel(child, items[1])
    outcomes, _ = ends(child, *items)

    assert INTERRUPTED == outcomes[items[1].id]
    assert {HandedBack} == {type(outcomes[items[place].id]) for place in (0, 2)}
    assert [Returned(b"7")] == child.run(b'{"numbers":7}')


@serving("sorted_by_kind")
def test_what_waits_for_a_later_call_of_its_batch_never_begins(child: ChildProcess, tmp_path: Path) -> None:
    items = child.items(b'{"kind":"gated","numbers":1}', b'{"kind":"free","numbers":2}', b'{"kind":"free","numbers":3}')
    child.send(Run(items))
    child.receive(Progressed)

    cancel(child, items[1])
    outcomes, _ = ends(child, items[1])
    (tmp_path / "gate").touch()
    others, _ = ends(child, items[0], items[2])

    assert {items[1].id: Stopped(Means.NOT_BEGUN)} == outcomes
    assert {items[0].id: Returned(b"1"), items[2].id: Returned(b"3")} == others


@serving("sorted_by_kind")
def test_what_is_canceled_in_a_call_that_fails_is_not_called_again(child: ChildProcess) -> None:
    items = child.items(b'{"kind":"gated","numbers":0}', b'{"kind":"gated","numbers":4}')
    child.send(Run(items))
    child.receive(Progressed)

    cancel(child, *items)
    outcomes, _ = ends(child, *items)

    assert INTERRUPTED in outcomes.values()
    assert all(isinstance(outcome, Stopped | HandedBack) for outcome in outcomes.values())
    assert [Returned(b"7")] == child.run(b'{"kind":"free","numbers":7}')


@serving("chatter")
def test_in_a_storm_of_cancels_no_frame_is_torn_and_nobody_else_is_struck(child: ChildProcess) -> None:
    chance = random.Random(7)
    stopped: list[Outcome] = []
    for _ in range(300):
        items = child.items(*[b'{"to":%d}' % chance.randrange(1, 60)] * 3)
        child.send(*[Run([item]) for item in items])
        for _ in range(chance.randrange(4)):
            child.next()
        unwanted = chance.sample(items, k=2)
        cancel(child, *unwanted)
        wanted = next(item for item in items if item not in unwanted)
        outcomes = wait_for(child, wanted)

        assert Streamed() == outcomes[wanted.id]
        stopped += [outcome for outcome in outcomes.values() if isinstance(outcome, Stopped)]

    assert stopped.count(INTERRUPTED) > 20
    assert stopped.count(Stopped(Means.NOT_BEGUN)) > 20


def wait_for(child: ChildProcess, item: Item) -> dict[str, Outcome]:
    """The outcomes that are told until this one is."""
    outcomes: dict[str, Outcome] = {}
    while item.id not in outcomes:
        frame = child.next()
        if isinstance(frame, Ended):
            outcomes[frame.id] = frame.outcome
    return outcomes
