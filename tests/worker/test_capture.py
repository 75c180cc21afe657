"""What a model writes becomes the logs of its run, however it is written."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from leveret.worker.child.reports import MOST_LOGS
from leveret.worker.frames import Ended, Frame, Progressed, Ready, Run, Stop, Wrote
from tests.worker.arrange import Family
from tests.worker.child_process import ChildProcess, child_process

pytestmark = pytest.mark.slow  # each process is a new interpreter, which takes about half a second

TALKATIVE = Path(__file__).parent / "talkative.py"

Serve: TypeAlias = Callable[[str], ChildProcess]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """One process for each model, shared by the tests."""
    with ExitStack() as stack:
        children: dict[str, ChildProcess] = {}

        def serve(name: str) -> ChildProcess:
            if name not in children:
                child = stack.enter_context(child_process(f"{TALKATIVE}:{name}", folder=tmp_path_factory.mktemp(name)))
                child.receive(Ready)
                children[name] = child
            return children[name]

        yield serve


def wanted(**arguments: str | int | bool) -> bytes:
    return json.dumps(arguments).encode()


def logs(said: list[Frame], run: str | None = None) -> str:
    return "".join(frame.text for frame in said if isinstance(frame, Wrote) and run in (None, frame.id))


def talk(serve: Serve, how: str) -> str:
    _, said = serve("talk").watch(wanted(how=how))
    return logs(said)


def test_every_way_of_writing_comes_in_its_order(serve: Serve) -> None:
    expected = [
        f"{line} {number}" for number in range(3) for line in ("print", "INFO logging", "puts", "write", "program")
    ]

    assert expected == talk(serve, "in order").splitlines()


def test_what_a_run_has_written_arrives_before_its_end_and_with_no_other_run(serve: Serve) -> None:
    child = serve("talk")
    words = [f"word {number}" for number in range(500)]
    items = child.items(*[wanted(how=word) for word in words])

    child.send(Run(items))
    said: dict[str, str] = {}
    ended = 0
    while ended < len(items):
        match child.next():
            case Wrote(id=run, text=text):
                said[run] = said.get(run, "") + text
            case Ended(id=run):
                assert run in said
                ended += 1

    assert [f"{word}\n" for word in words] == [said[item.id] for item in items]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("unfinished", "begun, and so on\n"),
        ("in c only", "never flushed\n"),
        ("no utf-8", "caf\ufffd\nhalf \ufffd\n"),
        ("surrogate", "half a pair: ?\n"),
        ("split character", "é\n"),
        ("one long line", "x" * 100_000 + "\n"),
    ],
)
def test_no_line_is_lost_or_unreadable(serve: Serve, how: str, expected: str) -> None:
    assert expected == talk(serve, how)


def test_lines_are_sent_while_the_run_goes_on(serve: Serve, tmp_path: Path) -> None:
    child, gate = serve("talk"), tmp_path / "gate"
    os.mkfifo(gate)
    (item,) = child.items(wanted(how="", gate=str(gate)))

    child.send(Run([item]))
    said = child.receive(Wrote)
    gate.write_bytes(b"")

    assert "waiting\n" == said.text
    child.receive(Ended)


def test_a_stream_that_cannot_be_flushed_harms_nothing(serve: Serve) -> None:
    assert "" == talk(serve, "broken streams")
    assert "mended\n" == talk(serve, "mended streams")


@pytest.mark.parametrize(("name", "given"), [("talk", wanted(how="much")), ("endless", b"{}")])
def test_logs_are_cut_at_a_limit_for_each_run(serve: Serve, name: str, given: bytes) -> None:
    child = serve(name)

    for _ in range(2):
        _, said = child.watch(given)
        kept, mark, rest = logs(said).partition(f"… logs cut at {MOST_LOGS} bytes …\n")

        assert (True, "") == (bool(mark), rest)
        assert MOST_LOGS - 1 <= len(kept.encode()) <= MOST_LOGS + 1


def test_what_is_printed_and_what_is_told_to_the_context_keep_their_order(serve: Serve) -> None:
    _, said = serve("both").watch(b"{}")

    assert [f"{what} {number}" for number in range(200) for what in ("print", "log")] == logs(said).splitlines()


def test_each_run_of_a_batch_gets_all_that_the_batch_has_written(serve: Serve) -> None:
    child = serve("together")
    items = child.items(wanted(words="hare"), wanted(words="rabbit"))

    child.send(Run(items))
    said: list[Frame] = []
    while sum(isinstance(frame, Ended) for frame in said) < 2:
        said.append(child.next())

    assert ["hare rabbit\n"] * 2 == [logs(said, item.id) for item in items]


def test_a_progress_bar_becomes_progress_and_one_line(serve: Serve) -> None:
    _, said = serve("bars").watch(wanted(steps=200_000))
    progress = [frame for frame in said if isinstance(frame, Progressed)]
    half, bar = logs(said).splitlines()

    assert (1.0, "Denoising: 200000/200000") == (progress[-1].fraction, progress[-1].message)
    assert sorted(one.fraction for one in progress) == [one.fraction for one in progress]
    assert ("half", "Denoising: 100%") == (half, bar[:15])


def test_a_progress_bar_is_the_progress_of_each_run_of_a_batch(serve: Serve) -> None:
    child = serve("bars_together")
    items = child.items(wanted(words="hare"), wanted(words="rabbit"))

    child.send(Run(items))
    last: dict[str, str] = {}
    ended = 0
    while ended < 2:
        match child.next():
            case Progressed(id=run, message=message):
                last[run] = message
            case Ended():
                ended += 1

    assert {item.id: "2/2" for item in items} == last


def test_the_logs_of_a_stream_come_with_its_chunks(serve: Serve) -> None:
    _, said = serve("lines").watch(wanted(to=3))

    assert "line 0\nline 1\nline 2\nend\n" == logs(said)


def test_what_is_written_when_nothing_runs_goes_to_the_stderr_that_the_process_was_given(tmp_path: Path) -> None:
    gate, told = tmp_path / "gate", tmp_path / "told"
    os.mkfifo(gate)
    os.mkfifo(told)
    with child_process(f"{TALKATIVE}:Always", folder=tmp_path) as child:
        child.receive(Ready)
        _, said = child.watch(wanted(gate=str(gate), said=str(told)))
        gate.write_bytes(b"")
        told.read_bytes()
        child.send(Stop())

        assert 0 == child.exit_code()
        assert "predicting\n" == logs(said)
        assert "loading\nsetting up\nbetween\n" == child.complaints()


def test_a_crash_leaves_its_traceback_on_the_stderr_that_the_process_was_given(tmp_path: Path) -> None:
    with child_process(f"{TALKATIVE}:talk", folder=tmp_path) as child:
        child.receive(Ready)
        child.send(Run(child.items(wanted(how="crash"))))

        assert -signal.SIGSEGV == child.exit_code()
        assert "Fatal Python error: Segmentation fault" in child.complaints()
        assert "talkative.py" in child.complaints()


async def test_what_is_printed_reaches_the_record(family: Family) -> None:
    target = family.model("""
@model
def talks(n: int) -> int:
    print("n is", n)
    if n == 2:
        raise ValueError("two")
    return n
""")

    async with family.serving(target):
        good, bad = await family.submit("local/talks", {"n": 1}, {"n": 2})
        well, badly = await family.result(good), await family.result(bad)

    assert "n is 1\n" == well.logs
    assert badly.logs.startswith("n is 2\nTraceback (most recent call last):\n")


async def test_a_progress_bar_reaches_the_record(family: Family) -> None:
    target = family.model("""
from tqdm import tqdm

@model
def steps(n: int) -> int:
    return sum(tqdm(range(n)))
""")

    async with family.serving(target):
        (submitted,) = await family.submit("local/steps", {"n": 4})
        result = await family.result(submitted)

    assert (1.0, "100%|██████████| 4/4 [") == (result.progress, result.logs[:22])
