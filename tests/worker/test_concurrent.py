"""The runs of an asynchronous model go on beside each other in one process, and are told apart in all they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from leveret.core.outcome import Outcome, Raised, Returned, Stopped, Streamed
from leveret.core.prediction import Means
from leveret.worker.child.reports import MOST_LOGS
from leveret.worker.frames import Cancel, Chunks, Ended, Frame, Item, NotReady, Progressed, Ready, Run, Stop, Wrote
from tests.worker.child_process import ChildProcess, child_process

pytestmark = pytest.mark.slow

SERVED = Path(__file__).parent / "crowded.py"
INTERRUPTED = Stopped(Means.INTERRUPTED)


@pytest.fixture
def child(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ChildProcess]:
    """A process that serves the model that the test names."""
    with child_process(f"{SERVED}:{request.param}", folder=tmp_path) as child:
        child.receive(Ready)
        yield child


def serving(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("child", [name], indirect=True)


def given(**arguments: str | int) -> bytes:
    return json.dumps(arguments).encode()


def begin(child: ChildProcess, *items: Item) -> None:
    """Send these, each in a frame of its own, and wait until as many have said that they have begun."""
    child.send(*[Run([item]) for item in items])
    begun(child, len(items))


def begun(child: ChildProcess, count: int) -> set[str]:
    """The next runs that say that they have begun."""
    said: set[str] = set()
    while len(said) < count:
        frame = child.next()
        assert isinstance(frame, Progressed | Chunks), frame
        if isinstance(frame, Progressed):
            said.add(frame.id)
    return said


def ends(child: ChildProcess, *items: Item) -> tuple[dict[str, Outcome], list[Frame]]:
    """How these end, and what is said before the last of them has."""
    outcomes: dict[str, Outcome] = {}
    said: list[Frame] = []
    while len(outcomes) < len(items):
        match child.next():
            case Ended(id=prediction_id, outcome=outcome):
                assert prediction_id not in outcomes
                outcomes[prediction_id] = outcome
            case frame:
                said.append(frame)
    return outcomes, said


def logs(said: list[Frame], item: Item) -> str:
    return "".join(frame.text for frame in said if isinstance(frame, Wrote) and frame.id == item.id)


def chunks(said: list[Frame], item: Item) -> list[object]:
    frames = [frame for frame in said if isinstance(frame, Chunks) and frame.id == item.id]
    return [json.loads(chunk) for frame in frames for chunk in frame.chunks]


# At once, and no more than that


@serving("meet")
def test_as_many_as_agreed_are_under_way_at_once_and_one_begins_when_another_ends(
    child: ChildProcess, tmp_path: Path
) -> None:
    items = child.items(*[given(name=name, others=3) for name in "abcde"])

    begin(child, *items[:3])
    child.send(Run(items[3:]))
    (tmp_path / "open").touch()
    outcomes, said = ends(child, *items)

    assert {item.id: Returned(b"3") for item in items} == outcomes
    assert {items[3].id, items[4].id} == {frame.id for frame in said if isinstance(frame, Progressed)}


@serving("alone")
def test_without_concurrency_one_is_under_way_at_a_time(child: ChildProcess) -> None:
    assert [Returned(b"1")] * 5 == child.run(*[b"{}"] * 5)


@serving("meet")
def test_what_shall_run_alone_has_the_process_for_itself(child: ChildProcess, tmp_path: Path) -> None:
    first, second, third = child.items(*[given(name=name, others=1) for name in "abc"])
    solitary = Item(second.id, 3, second.input, alone=True)

    child.send(Run([first, solitary, third]))
    first_begun = begun(child, 1)
    (tmp_path / "open").touch()
    outcomes, _ = ends(child, first, second, third)

    assert {first.id} == first_begun
    assert {item.id: Returned(b"1") for item in (first, second, third)} == outcomes


@serving("count")
def test_results_and_chunks_belong_to_their_runs(child: ChildProcess) -> None:
    items = child.items(*[given(start=1000 * number, to=1000 * number + 100) for number in range(20)])

    child.send(Run(items))
    outcomes, said = ends(child, *items)

    assert {item.id: Streamed() for item in items} == outcomes
    assert [list(range(1000 * number, 1000 * number + 100)) for number in range(20)] == [
        chunks(said, item) for item in items
    ]


@serving("stream")
def test_a_stream_that_never_waits_keeps_nobody_waiting(child: ChildProcess) -> None:
    endless, other = child.items(given(how=""), given(how="wait"))

    child.send(Run([endless, other]))
    begun(child, 1)  # it is the other one that says so
    child.send(Cancel(endless.id, 1), Cancel(other.id, 1))

    assert {endless.id: INTERRUPTED, other.id: INTERRUPTED} == ends(child, endless, other)[0]


# What the user's code raises


@serving("misbehave")
def test_whatever_a_run_raises_it_ends_once_and_harms_nobody(child: ChildProcess) -> None:
    expected = {
        "exit": "SystemExit: 3",
        "exit in a task": "SystemExit: 5",
        "exit in a group": "SystemExit: 6",
        "interrupt": "KeyboardInterrupt",
        "cancel": "CancelledError",
        "value": "ValueError: no such hare",
        "output": "the model's output cannot be used",
        "left behind": None,
        "stop": None,
        "cancel itself": None,
        "nothing": None,
    }

    for _ in range(3):
        outcomes = child.run(*[given(how=how) for how in expected])

        for (how, error), outcome in zip(expected.items(), outcomes, strict=True):
            if error is None:
                assert Returned(json.dumps(how).encode()) == outcome
            else:
                assert isinstance(outcome, Raised)
                assert outcome.error.startswith(error)


@serving("stray")
@pytest.mark.parametrize(
    ("how", "error"),
    [("output", "the model's output cannot be used"), ("exit", "SystemExit: 3"), ("value", "ValueError: lost the")],
)
def test_a_stream_that_fails_is_closed(child: ChildProcess, how: str, error: str) -> None:
    (outcome,), said = child.watch(given(how=how))

    assert isinstance(outcome, Raised)
    assert outcome.error.startswith(error)
    assert Wrote("1-0", 1, "closed\n") in said


@serving("stray")
def test_a_stream_of_nothing_is_an_empty_list(child: ChildProcess) -> None:
    assert [Returned(b"[]")] == child.run(given(how="nothing"))


@serving("count")
def test_an_input_that_does_not_fit_fails_its_own_run(child: ChildProcess) -> None:
    bad, good = child.run(given(start="hare", to=1), given(start=0, to=1))

    assert isinstance(bad, Raised)
    assert "start" in bad.error
    assert Streamed() == good


# Cancels


@serving("wait")
@pytest.mark.parametrize(
    ("how", "outcome"),
    [("", INTERRUPTED), ("raise", INTERRUPTED), ("return", Returned(b'"finished all the same"'))],
)
def test_a_cancel_is_raised_in_one_of_many_and_disturbs_no_other(
    child: ChildProcess, tmp_path: Path, how: str, outcome: Outcome
) -> None:
    items = child.items(given(how=""), given(how=how), given(how=""))
    begin(child, *items)

    child.send(Cancel(items[1].id, 1))
    canceled, said = ends(child, items[1])
    (tmp_path / "open").touch()
    others, _ = ends(child, items[0], items[2])

    assert {items[1].id: outcome} == canceled
    assert [Wrote(items[1].id, 1, "canceled\ncleaned up\n")] == merged(said)
    assert {items[0].id: Returned(b'"let go"'), items[2].id: Returned(b'"let go"')} == others


def merged(said: list[Frame]) -> list[Frame]:
    """What was said, with the words of one run as one frame."""
    words = [frame for frame in said if isinstance(frame, Wrote)]
    assert words == said
    return [Wrote(words[0].id, 1, "".join(one.text for one in words))] if words else []


@serving("wait")
def test_what_waits_for_its_turn_never_begins_and_is_told_at_once(child: ChildProcess, tmp_path: Path) -> None:
    items = child.items(*[b"{}"] * 6)
    begin(child, *items[:4])
    child.send(Run(items[4:]), Cancel(items[4].id, 1))

    canceled, said = ends(child, items[4])
    (tmp_path / "open").touch()
    others, _ = ends(child, *items[:4], items[5])

    assert ({items[4].id: Stopped(Means.NOT_BEGUN)}, []) == (canceled, said)
    assert {Returned(b'"let go"')} == set(others.values())


@serving("wait")
def test_a_cancel_that_comes_with_its_run_stops_it(child: ChildProcess) -> None:
    for _ in range(50):
        (item,) = child.items(b"{}")
        child.send(Run([item]), Cancel(item.id, 1))

        assert {item.id: INTERRUPTED} == ends(child, item)[0]


@serving("wait")
def test_a_cancel_of_what_has_ended_or_is_unknown_strikes_nobody(child: ChildProcess, tmp_path: Path) -> None:
    first, second = child.items(b"{}", b"{}")
    begin(child, first, second)
    child.send(Cancel(first.id, 1))
    ends(child, first)

    child.send(Cancel(first.id, 1), Cancel("unknown", 1), Cancel(second.id, 2))
    (tmp_path / "open").touch()

    assert {second.id: Returned(b'"let go"')} == ends(child, second)[0]


@serving("stream")
@pytest.mark.parametrize("how", ["", "wait"])
def test_a_generator_sees_the_cancel_where_it_stands_and_is_closed(child: ChildProcess, how: str) -> None:
    (item,) = child.items(given(how=how))
    child.send(Run([item]))
    child.receive(Chunks)

    child.send(Cancel(item.id, 1))
    outcomes, said = ends(child, item)

    assert {item.id: INTERRUPTED} == outcomes
    assert "canceled\nclosed\n" == logs(said, item)


@serving("stream")
def test_a_generator_that_swallows_the_cancel_and_ends_has_succeeded(child: ChildProcess) -> None:
    (item,) = child.items(given(how="swallow"))
    child.send(Run([item]))
    child.receive(Chunks)

    child.send(Cancel(item.id, 1))
    outcomes, said = ends(child, item)

    assert {item.id: Streamed()} == outcomes
    assert "last" == chunks(said, item)[-1]


# Logs and progress


@serving("talk")
def test_words_go_to_the_run_whose_task_or_thread_has_written_them(child: ChildProcess) -> None:
    items = child.items(*[given(word=word, times=20) for word in ("hare", "rabbit", "pika")])

    child.send(Run(items))
    _, said = ends(child, *items)

    for item, word in zip(items, ("hare", "rabbit", "pika"), strict=True):
        round_ = "{0} {1}\nINFO {0} logs\n{0} writes\n{0} in a task\n{0} in a thread\n{0} tells\n"
        assert "".join(round_.format(word, number) for number in range(20)) == logs(said, item)


@serving("bar")
def test_bars_and_unfinished_lines_belong_to_their_runs(child: ChildProcess) -> None:
    items = child.items(given(title="A", steps=3), given(title="B", steps=4))

    child.send(Run(items))
    _, said = ends(child, *items)

    last = {frame.id: frame.message for frame in said if isinstance(frame, Progressed)}
    assert {items[0].id: "A: 3/3", items[1].id: "B: 4/4"} == last
    for item, title in zip(items, "AB", strict=True):
        bar, unfinished = filter(None, logs(said, item).split("\n"))
        assert (f"{title}: 100%|", "unfinished") == (bar[:8], unfinished)


@serving("below")
def test_what_is_written_past_python_goes_to_each_that_is_under_way(child: ChildProcess, tmp_path: Path) -> None:
    items = child.items(given(puts="from C"), b"{}")
    begin(child, *items)

    (tmp_path / "open").touch()
    _, said = ends(child, *items)

    assert ["from C\n"] * 2 == [logs(said, item) for item in items]


@serving("much")
def test_logs_are_cut_for_each_run(child: ChildProcess) -> None:
    items = child.items(*[b"{}"] * 5)
    child.send(Run(items))
    _, said = ends(child, *items)

    kept = [logs(said, item).partition(f"… logs cut at {MOST_LOGS} bytes …\n") for item in items]
    assert [(MOST_LOGS + 1, True, "")] * 5 == [(len(text), bool(mark), rest) for text, mark, rest in kept]


# The life of the process


@serving("Engine")
def test_setup_runs_in_the_loop_and_context_of_the_runs_and_its_tasks_live_on(child: ChildProcess) -> None:
    outcomes = child.run(*[b"{}"] * 5)

    assert [Returned(b'[true,"from setup","from setup"]')] * 5 == outcomes


@serving("Plain")
def test_a_plain_setup_of_an_asynchronous_model_finds_the_loop(child: ChildProcess) -> None:
    outcomes, said = child.watch(given(to=2))

    assert [Streamed()] == outcomes
    assert [True, True] == chunks(said, Item("1-0", 1, b""))


@pytest.mark.parametrize(
    ("name", "error"),
    [("BrokenSetup", "OSError: no weights on this disk"), ("LeavingSetup", "SystemExit: the licence is missing")],
)
def test_an_asynchronous_setup_that_raises_is_told(tmp_path: Path, name: str, error: str) -> None:
    with child_process(f"{SERVED}:{name}", folder=tmp_path) as child:
        told = child.receive(NotReady)

        assert (error, False, 1) == (told.error, told.usage, child.exit_code())


@serving("meet")
def test_a_process_that_is_told_to_stop_finishes_what_was_sent(child: ChildProcess, tmp_path: Path) -> None:
    items = child.items(*[given(name=name, others=3) for name in "abcd"])
    begin(child, *items[:3])
    child.send(Run(items[3:]), Stop())

    (tmp_path / "open").touch()
    outcomes, _ = ends(child, *items)

    assert {item.id: Returned(b"3") for item in items} == outcomes
    assert 0 == child.exit_code()


@serving("Engine")
def test_tasks_that_are_left_at_the_end_do_not_keep_the_process(child: ChildProcess) -> None:
    child.send(Stop())

    assert 0 == child.exit_code()


def test_how_many_may_be_under_way_is_told_when_it_is_ready(tmp_path: Path) -> None:
    told: list[int] = []
    for name in ("count", "alone"):
        with child_process(f"{SERVED}:{name}", folder=tmp_path) as child:
            told.append(child.receive(Ready).concurrency)

    assert [8, 1] == told
