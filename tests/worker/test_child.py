"""The model process: started for real, spoken to over its socket, and never ended by what a model does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from leveret.core.outcome import Raised, RetryWanted, Returned, Streamed
from leveret.worker.frames import (
    LIMIT,
    Check,
    Checked,
    Chunks,
    Ended,
    Item,
    NotReady,
    Progressed,
    Ready,
    Run,
    Stop,
    Wrote,
    encode,
)
from tests.worker.child_process import ChildProcess, child_process, ends

pytestmark = pytest.mark.slow  # each process is a new interpreter, which takes about half a second

SERVED = Path(__file__).parent / "served.py"

Serve: TypeAlias = Callable[[str], ChildProcess]
Gate: TypeAlias = Callable[[], str]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """One process for each model, shared by the tests: none of them may end it."""
    with ExitStack() as stack:
        children: dict[str, ChildProcess] = {}

        def serve(name: str) -> ChildProcess:
            if name not in children:
                child = stack.enter_context(child_process(f"{SERVED}:{name}", folder=tmp_path_factory.mktemp(name)))
                child.receive(Ready)
                children[name] = child
            return children[name]

        yield serve


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Serve]:
    """A process for one test."""
    with ExitStack() as stack:

        def serve(name: str) -> ChildProcess:
            return stack.enter_context(child_process(f"{SERVED}:{name}", folder=tmp_path))

        yield serve


@pytest.fixture
def gate(tmp_path: Path) -> str:
    """A named pipe that a model waits for."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return str(path)


def opened(gate: str) -> None:
    """Let the model go on that waits for this gate."""
    with Path(gate).open("wb"):
        pass


def wanted(**arguments: str | int | bool) -> bytes:
    return json.dumps(arguments).encode()


def returned(value: object) -> Returned:
    return Returned(json.dumps(value, separators=(",", ":")).encode())


# Setting up


def test_a_model_that_is_set_up_introduces_itself(fresh: Serve) -> None:
    ready = fresh("shout").receive(Ready)

    assert (ready.model, ready.description) == ("acme/shout", "Make it loud.")
    assert (ready.batch, ready.batch_window, ready.streams, len(ready.version)) == (1, 0.01, False, 64)
    assert json.loads(ready.input_schema)["required"] == ["text"]
    assert json.loads(ready.output_schema) == {"type": "string"}


def test_a_batched_and_a_streaming_model_say_so(fresh: Serve) -> None:
    batched, streaming = fresh("double").receive(Ready), fresh("count").receive(Ready)

    assert (batched.batch, batched.streams) == (8, False)
    assert (streaming.batch, streaming.streams) == (1, True)


def test_how_often_a_model_may_run_is_what_it_says_and_otherwise_left_open(fresh: Serve) -> None:
    assert fresh("ask_again").receive(Ready).max_attempts == 5
    assert fresh("shout").receive(Ready).max_attempts is None


def test_a_mistake_in_the_file_is_the_users_and_ends_the_process(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("from leveret import model\n\n1 / 0\n")

    with child_process("app.py", folder=tmp_path) as child:
        said = child.receive(NotReady)

        assert said.usage
        assert said.error == "app.py:3: importing it raised ZeroDivisionError: division by zero"
        assert said.traceback.startswith(f'Traceback (most recent call last):\n  File "{tmp_path}/app.py", line 3')
        assert child.exit_code() == 1


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("BrokenSetup", "OSError: no weights on this disk"),
        ("BrokenConstructor", "OSError: no device"),
        ("LeavingSetup", "SystemExit: the licence is missing"),
    ],
)
def test_a_setup_that_fails_is_told_with_the_users_part_of_the_traceback(fresh: Serve, name: str, error: str) -> None:
    child = fresh(name)

    said = child.receive(NotReady)

    assert (said.error, said.usage) == (error, False)
    assert [model.model.partition("/")[0] for model in child.loaded] == ["local"]
    assert said.traceback.startswith(f'Traceback (most recent call last):\n  File "{SERVED}"')
    assert "leveret/worker" not in said.traceback
    assert child.exit_code() == 1


def test_a_check_is_answered_in_its_turn_and_an_unhealthy_model_begins_nothing_more(fresh: Serve) -> None:
    child = fresh("Sickly")
    assert child.receive(Ready).checks
    healthy, sick, late = child.items(b'{"sick":false}', b'{"sick":true}', b'{"sick":false}')

    child.send(Check(), Run([healthy]), Check(), Run([sick]), Check(), Run([late]))
    said = [child.next() for _ in range(5)]

    assert [Checked(), Checked(), Checked("healthcheck() returned False")] == said[::2]
    assert [healthy.id, sick.id] == [frame.id for frame in said if isinstance(frame, Ended)]
    assert child.exit_code() == 0
    assert child.connection.recv(1) == b""


def test_a_model_without_a_healthcheck_is_healthy(shared: Serve) -> None:
    child = shared("shout")

    child.send(Check())

    assert Checked() == child.receive(Checked)


def test_the_users_code_runs_in_the_main_thread(shared: Serve) -> None:
    assert shared("Stateful").run(b"{}") == [returned([True, True])]


# One after the other


def test_items_are_run_one_after_the_other(shared: Serve) -> None:
    outcomes = shared("shout").run(wanted(text="a"), wanted(text="b", times=2))

    assert outcomes == [returned("A"), returned("B B")]


def test_an_item_ends_before_the_next_one_has(shared: Serve, gate: str) -> None:
    child = shared("wait")
    first, second = child.items(wanted(), wanted(gate=gate))

    child.send(Run([first, second]))
    ended = child.receive(Ended)

    assert (ended.id, ended.attempt, ended.outcome) == (first.id, 1, returned(""))
    opened(gate)
    assert child.receive(Ended).id == second.id


def test_a_run_without_items_is_nothing(shared: Serve) -> None:
    child = shared("shout")

    child.send(Run([]))

    assert child.run(wanted(text="a")) == [returned("A")]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (b'{"text": 5}', "/input/text: Input should be a valid string"),
        (b'{"text": "0123456789x", "times": "x"}', "at most 10 characters; /input/times: Input should be a valid int"),
        (b'{"text": "", "volume": 11}', "/input/volume: the model has no such input"),
        (b"[]", "/input: Input should be an object"),
        (b"\xff", "/input: Invalid JSON"),
        (b"", "/input: Invalid JSON"),
    ],
)
def test_an_input_that_does_not_fit_fails_with_every_problem(shared: Serve, given: bytes, problem: str) -> None:
    bad, good = shared("shout").run(given, wanted(text="a"))

    assert isinstance(bad, Raised)
    assert bad.error.startswith("the input does not fit the schema of acme/shout: /input")
    assert problem in bad.error
    assert (bad.traceback, good) == ("", returned("A"))


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("value", "ValueError: no such hare"),
        ("bare", "ValueError"),
        ("chained", "KeyError: 'hare'"),
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("generator exit", "GeneratorExit"),
        ("memory", "MemoryError"),
        ("recursion", "RecursionError: maximum recursion depth exceeded"),
        ("unspeakable", "UnspeakableError (its text cannot be had: RuntimeError)"),
        ("surrogate", "ValueError: half a pair: ?"),
        ("output", "the model's output cannot be used: a builtins.object is not JSON"),
        ("nan", "the model's output cannot be used: it contains NaN or Infinity"),
    ],
)
def test_whatever_a_model_raises_fails_its_run_and_nothing_else(shared: Serve, how: str, error: str) -> None:
    bad, good = shared("misbehave").run(wanted(how=how), wanted(how="well"))

    assert isinstance(bad, Raised)
    assert bad.error.startswith(error)
    assert good == returned("well")


def test_the_traceback_is_that_of_the_users_code(shared: Serve) -> None:
    (outcome,) = shared("misbehave").run(wanted(how="chained"))

    assert isinstance(outcome, Raised)
    assert outcome.traceback.startswith("Traceback (most recent call last):\n")
    assert "ValueError: invalid literal" in outcome.traceback
    assert outcome.traceback.endswith("KeyError: 'hare'\n")
    assert outcome.traceback.count(f'File "{SERVED}"') == 2
    assert "leveret/worker/caller" not in outcome.traceback


def test_an_endless_error_is_cut_in_the_middle(shared: Serve) -> None:
    (outcome,) = shared("misbehave").run(wanted(how="long"))

    assert isinstance(outcome, Raised)
    assert "\n… 990012 characters left out …\n" in outcome.error
    assert len(outcome.error) < 11_000
    assert len(outcome.traceback) < 101_000


def test_a_large_input_and_output_pass(shared: Serve) -> None:
    text = "x" * 20_000_000

    assert shared("echo").run(wanted(text=text)) == [returned(text)]


# What is worth another run


@pytest.mark.parametrize(
    ("how", "reason", "after"),
    [
        ("after", "quota", 2.0),
        ("bare", "the model asked for another run", None),
        ("subclass", "the model asked for another run", None),
        ("named", "TimeoutError: no answer", None),
    ],
)
def test_a_model_can_ask_for_another_run(shared: Serve, how: str, reason: str, after: float | None) -> None:
    wants, good = shared("ask_again").run(wanted(how=how), wanted(how="ok"))

    assert isinstance(wants, RetryWanted)
    assert (wants.reason, wants.after, good) == (reason, after, returned("ok"))
    assert wants.traceback.startswith(f'Traceback (most recent call last):\n  File "{SERVED}"')


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (wanted(how="exit"), "SystemExit: 3"),
        (wanted(how="wrong"), "LaterError"),
        (wanted(how="output"), "the model's output cannot be used: a builtins.object is not JSON"),
        (wanted(how="0123456789x"), "the input does not fit the schema of local/ask_again: /input/how: "),
    ],
)
def test_what_would_only_fail_again_is_not_worth_it(shared: Serve, given: bytes, error: str) -> None:
    (outcome,) = shared("ask_again").run(given)

    assert isinstance(outcome, Raised)
    assert outcome.error.startswith(error)


def test_in_a_batch_only_the_input_that_is_alone_with_it_asks_for_another_run(shared: Serve) -> None:
    inputs = [json.dumps({"numbers": number}).encode() for number in (1, 13, 2, 14)]

    first, thirteen, third, fourteen = shared("ask_together").run(*inputs)

    assert (first, third) == (returned(1), returned(2))
    assert isinstance(thirteen, RetryWanted)
    assert isinstance(fourteen, RetryWanted)
    assert (thirteen.reason, fourteen.reason) == ("13 is bad luck", "ConnectionResetError: 14 is far away")


# Together


def test_a_batched_model_is_called_once(fresh: Serve) -> None:
    child = fresh("sizes")
    child.receive(Ready)

    assert child.run(*[wanted(numbers=number) for number in range(3)]) == [returned([3])] * 3
    assert child.run(wanted(numbers=1)) == [returned([3, 1])]


def test_an_input_that_does_not_fit_leaves_the_batch(shared: Serve) -> None:
    first, bad, last = shared("double").run(wanted(numbers=1), wanted(numbers="x"), wanted(numbers=3))

    assert (first, last) == (returned(2), returned(6))
    assert isinstance(bad, Raised)
    assert "/input/numbers: Input should be a valid integer" in bad.error


def test_a_batch_of_inputs_none_of_which_fits_is_not_run(shared: Serve) -> None:
    outcomes = shared("double").run(b"{}", b"[]")

    assert [type(outcome) for outcome in outcomes] == [Raised, Raised]


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (13, "ValueError: 13 is bad luck"),
        (14, "the model's output cannot be used: the model was given 1 inputs and returned 0 results"),
        (15, "the model's output cannot be used: a batched model returns a list with one result for each input"),
    ],
)
def test_an_input_with_which_a_batch_raises_or_returns_no_fitting_list_fails_alone(
    shared: Serve, number: int, error: str
) -> None:
    good, bad = shared("double").run(wanted(numbers=1), wanted(numbers=number))

    assert good == returned(2)
    assert isinstance(bad, Raised)
    assert bad.error.startswith(error)


def test_a_result_that_is_not_json_fails_alone(shared: Serve) -> None:
    good, bad = shared("double").run(wanted(numbers=1), wanted(numbers=16))

    assert good == returned(2)
    assert isinstance(bad, Raised)
    assert "a builtins.object is not JSON" in bad.error


def test_a_batched_model_may_return_an_array(shared: Serve) -> None:
    assert shared("rows").run(wanted(numbers=1), wanted(numbers=2)) == [returned([1.0, 1.0]), returned([2.0, 2.0])]


def test_each_item_of_a_batch_has_its_context(shared: Serve) -> None:
    child = shared("greet")
    items = [Item("p1", 1, wanted(names="hare")), Item("p2", 3, wanted(names="rabbit"))]

    child.send(Run(items))
    said = [child.next() for _ in range(4)]

    assert said[0] == Wrote("p1", 1, "hello hare\n")
    assert said[1] == Wrote("p2", 3, "hello rabbit\n")
    assert [one.outcome for one in said[2:] if isinstance(one, Ended)] == [returned("p1 1"), returned("p2 3")]


# Streams


def chunks(said: list[object]) -> list[bytes]:
    return [chunk for frame in said if isinstance(frame, Chunks) for chunk in frame.chunks]


def test_a_generator_streams_its_chunks_and_then_ends(shared: Serve) -> None:
    child = shared("count")

    outcomes, said = child.watch(wanted(to=3))

    assert (outcomes, chunks([*said])) == ([Streamed()], [b"0", b"1", b"2"])


def test_a_fast_stream_makes_few_frames_and_loses_nothing(shared: Serve) -> None:
    child = shared("count")

    outcomes, said = child.watch(wanted(to=20_000))

    assert outcomes == [Streamed()]
    assert chunks([*said]) == [str(number).encode() for number in range(20_000)]
    assert len(said) < 200


def test_what_a_stalled_generator_has_yielded_is_sent_all_the_same(shared: Serve, gate: str) -> None:
    child = shared("count")
    (item,) = child.items(wanted(to=3, gate=gate))

    child.send(Run([item]))
    first = child.receive(Chunks)
    rest: list[bytes] = []
    while len(rest) < 2:
        rest += child.receive(Chunks).chunks
    opened(gate)

    assert (first.chunks, rest) == ([b"0"], [b"1", b"2"])
    assert child.receive(Ended).outcome == Streamed()


def test_a_generator_that_raises_fails_after_what_it_has_yielded(shared: Serve) -> None:
    (outcome,), said = shared("count").watch(wanted(to=2, fail=True))

    assert chunks([*said]) == [b"0", b"1"]
    assert isinstance(outcome, Raised)
    assert outcome.error == "ValueError: lost count"


def test_a_chunk_that_is_not_json_ends_the_generator(shared: Serve) -> None:
    (outcome,), said = shared("mixed").watch(wanted(text="a"))

    assert chunks([*said]) == [b'"a"']
    assert isinstance(outcome, Raised)
    assert "a builtins.object is not JSON" in outcome.error


def test_a_generator_that_yields_nothing_returns_an_empty_list(shared: Serve) -> None:
    assert shared("count").watch(wanted(to=0)) == ([returned([])], [])


# What a run says


def test_progress_and_logs_carry_the_run(shared: Serve) -> None:
    child = shared("tell")

    child.send(Run([Item("p1", 4, b"{}")]))
    said = [child.next()]
    while not isinstance(said[-1], Ended):
        said.append(child.next())

    assert said[0] == Progressed("p1", 4, 0.25, "begun")
    assert [one for one in said if isinstance(one, Progressed)][-1] == Progressed("p1", 4, 0.75, "nearly")
    assert "".join(one.text for one in said if isinstance(one, Wrote)) == "one\ntwo\n"
    assert isinstance(said[-1], Ended)
    assert said[-1].outcome == returned("p1 4")


def test_what_no_frame_can_carry_is_replaced(shared: Serve) -> None:
    outcomes, said = shared("mumble").watch(b"{}")

    assert outcomes == [returned(None)]
    assert [frame.text for frame in said if isinstance(frame, Wrote)] == ["half a pair: ?\n"]
    assert [frame.message for frame in said if isinstance(frame, Progressed)] == ["?"]


def test_what_a_silent_run_has_said_is_sent_while_it_goes_on(shared: Serve, gate: str) -> None:
    child = shared("tell")
    (item,) = child.items(wanted(gate=gate))

    child.send(Run([item]))
    seen = ""
    while "nearly" not in seen or "two" not in seen:
        seen += repr(child.next())
    opened(gate)

    assert isinstance(child.next(), Ended)


# The end


def test_told_to_stop_it_finishes_what_was_sent_and_ends(fresh: Serve) -> None:
    child = fresh("shout")
    child.receive(Ready)

    child.send(Run(child.items(wanted(text="a"))), Run(child.items(wanted(text="b"))), Stop())

    assert [child.receive(Ended).outcome for _ in range(2)] == [returned("A"), returned("B")]
    assert child.exit_code() == 0
    assert child.complaints() == ""


@pytest.mark.parametrize("what", ["idle", "running", "setting up"])
def test_when_the_worker_is_gone_it_ends_at_once(fresh: Serve, gate: str, what: str) -> None:
    child = fresh("EndlessSetup" if what == "setting up" else "wait")
    if what != "setting up":
        child.receive(Ready)
    if what == "running":
        first, second = child.items(wanted(), wanted(gate=gate))
        child.send(Run([first, second]))
        child.receive(Ended)

    child.connection.close()

    assert child.exit_code() == 1
    assert "Traceback" not in child.complaints()


WORKER = f"""
import os, socket, subprocess, sys
from leveret.worker.frames import Item, Run, encode
ours, theirs = socket.socketpair()
child = subprocess.Popen(
    [sys.executable, "-m", "leveret.worker.child", str(theirs.fileno()), "{SERVED}:hold_the_interpreter"],
    pass_fds=[theirs.fileno()],
)
ours.sendall(encode(Run([Item("a", 1, b'{{"pipe": "' + sys.argv[1].encode() + b'"}}')])))
print(child.pid, flush=True)
child.wait()
"""


def test_when_the_worker_is_killed_even_a_model_that_holds_the_interpreter_ends(gate: str, tmp_path: Path) -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER, gate], stdout=subprocess.PIPE, cwd=tmp_path)
    with worker:
        assert worker.stdout is not None
        child = os.pidfd_open(int(worker.stdout.readline()))
        with Path(gate).open("rb") as pipe:
            assert pipe.read(1) == b"x"

        worker.kill()

        assert ends(child)
    os.close(child)


def test_ctrl_c_is_the_workers_business(fresh: Serve) -> None:
    child = fresh("shout")
    child.receive(Ready)

    child.process.send_signal(signal.SIGINT)

    assert child.run(wanted(text="a")) == [returned("A")]


def test_sigterm_ends_it(fresh: Serve, gate: str) -> None:
    child = fresh("wait")
    child.receive(Ready)
    child.send(Run(child.items(wanted(), wanted(gate=gate))))
    child.receive(Ended)

    child.process.terminate()

    assert child.exit_code() == -signal.SIGTERM


# The channel


def test_frames_may_arrive_byte_by_byte(shared: Serve) -> None:
    child = shared("shout")
    items = child.items(wanted(text="a"), wanted(text="b"))

    for byte in encode(Run(items)):
        child.connection.sendall(bytes([byte]))

    assert [child.receive(Ended).outcome for _ in items] == [returned("A"), returned("B")]


@pytest.mark.parametrize(
    ("garbage", "complaint"),
    [
        ((LIMIT + 1).to_bytes(4), "a length of"),
        (b"GET / HTTP/1.1\r\n\r\n", "a length of"),
        (b"\0\0\0\1\xc1", "this is not a Leveret frame"),
        (encode(Wrote("a", 1, "text")), "the worker sent a Wrote, which only a model process sends"),
    ],
)
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "running"])
def test_what_is_no_frame_for_it_ends_it_with_a_complaint(
    fresh: Serve, gate: str, garbage: bytes, complaint: str, busy: bool
) -> None:
    child = fresh("wait")
    child.receive(Ready)
    if busy:
        child.send(Run(child.items(wanted(), wanted(gate=gate))))
        child.receive(Ended)

    child.connection.sendall(garbage)

    assert child.exit_code() == 1
    assert complaint in child.complaints()


def test_a_worker_that_does_not_read_slows_the_model_down_and_loses_nothing(shared: Serve) -> None:
    child = shared("shout")
    number = 20_000
    inputs = [wanted(text=str(place)) for place in range(number)]

    sender = threading.Thread(target=child.send, args=[Run(child.items(*inputs))])
    sender.start()
    outcomes = [child.receive(Ended).outcome for _ in range(number)]
    sender.join()

    assert outcomes == [returned(str(place)) for place in range(number)]


@pytest.mark.parametrize(("whom", "sockets"), [("itself", 1), ("fork", 0), ("program", 0)])
def test_what_a_model_starts_has_no_hold_on_the_channel(shared: Serve, whom: str, sockets: int) -> None:
    assert shared("sockets_of").run(wanted(whom=whom)) == [returned(sockets)]


def test_the_channel_is_never_a_standard_stream(tmp_path: Path) -> None:
    with child_process(f"{SERVED}:lowest_socket", folder=tmp_path, as_stdin=True) as child:
        child.receive(Ready)

        (outcome,) = child.run(b"{}")

    assert isinstance(outcome, Returned)
    assert json.loads(outcome.output) > 2
