"""`leveret predict` as people and scripts meet it, against a server."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import httpx2
import pytest

from tests.cli.terminal import PATIENCE, Terminal, command, environment, leveret

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def status(address: str, prediction_id: str) -> str:
    return str(httpx2.get(f"{address}/v1/predictions/{prediction_id}").json()["status"])


def newest(address: str, model: str) -> str:
    """The id of the model's newest prediction."""
    found = httpx2.get(f"{address}/v1/predictions?model=local/{model}").json()["results"]
    return str(found[0]["id"])


def test_an_output_is_printed_as_it_is(address: str) -> None:
    added = leveret("predict", "add", "numbers=1", "numbers=2", "sign=-1", url=address)
    whole = leveret("predict", "local/add", "numbers:=[1,2,3]", url=address)

    assert [(0, "-3\n", ""), (0, "6\n", "")] == [(one.returncode, one.stdout, one.stderr) for one in (added, whole)]


def test_text_is_printed_as_it_comes_and_as_it_is(address: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    words = ["once", " upon\n", "\x1b[31m a time"]
    arguments = ["predict", "tell", f"gate={gate}", f"words:={json.dumps(words)}"]
    with subprocess.Popen(command(*arguments), env=environment(address), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"once" == process.stdout.read(4)
        gate.touch()
        rest = process.stdout.read()

    assert 0 == process.wait(PATIENCE)
    assert " upon\n\x1b[31m a time" == rest.decode()


def test_what_streams_no_text_is_lines_of_json(address: str) -> None:
    assert "0\n1\n2\n" == leveret("predict", "numbers", "to=3", url=address).stdout


def test_json_is_the_prediction_at_its_end(address: str) -> None:
    done = leveret("predict", "tell", "words=a", "words=b", "--json", url=address)

    prediction = json.loads(done.stdout)
    assert (0, 1) == (done.returncode, done.stdout.count("\n"))
    assert ("succeeded", ["a", "b"]) == (prediction["status"], prediction["output"])


def test_a_prediction_that_fails_is_told_and_ends_with_1(address: str) -> None:
    failed = leveret("predict", "fail", "reason=no \x1b[31m", "--logs", url=address)
    told = leveret("predict", "fail", "reason=no", "--json", url=address)

    assert (1, "") == (failed.returncode, failed.stdout)
    assert r"error (model_failed): local/fail has failed: ValueError: no \x1b[31m" in failed.stderr
    assert "Traceback" in failed.stderr  # that of the model, which is in the logs
    assert (1, "failed") == (told.returncode, json.loads(told.stdout)["status"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("add", "numbers=x"), 2, "error (invalid_argument): 'numbers=x' cannot be an input"),
        (("add", "numbers"), 2, "error (invalid_argument)"),
        (("add", "wrong=1"), 2, "it has: numbers, sign"),
        (("add",), 1, "error (invalid_input): the input does not fit the schema of local/add: /input/numbers"),
        (("nothing", "a=1"), 1, "error (model_not_found)"),
        (("add", "numbers=1", "--priority", "urgent"), 2, "urgent"),
    ],
)
def test_what_is_wrong_is_told_in_words_and_by_the_code(
    address: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    refused = leveret("predict", *arguments, url=address)

    assert (code, "") == (refused.returncode, refused.stdout)
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr


def test_without_a_gateway_it_ends_with_3() -> None:
    alone = leveret("predict", "add", "numbers=1", url="http://127.0.0.1:1")

    assert 3 == alone.returncode
    assert alone.stderr.startswith("error (gateway_unreachable): ")


def test_a_detached_prediction_is_an_id(address: str, tmp_path: Path) -> None:
    detached = leveret("predict", "add", "numbers=1", "--detach", url=address)
    told = leveret("predict", "add", "numbers=1", "--detach", "--json", "--priority", "low", url=address)

    watched = leveret("watch", detached.stdout.strip(), url=address)
    assert (0, 0) == (detached.returncode, watched.returncode)
    assert ("starting", "low") == (json.loads(told.stdout)["status"], json.loads(told.stdout)["priority"])


def test_files_go_in_and_come_out(address: str, tmp_path: Path) -> None:
    (path := tmp_path / "note.txt").write_bytes(content := bytes(range(256)) * 2000)
    folder = tmp_path / "out"

    saved = leveret("predict", "copies", f"file=@{path}", "count=2", "-o", str(folder), url=address)
    piped = leveret("predict", "copies", "file=@-", "count=1", url=address, stdin=b"hello")

    assert [str(folder / "note.txt"), str(folder / "note-1.txt")] == json.loads(saved.stdout), saved.stderr
    assert [content, content] == [(folder / name).read_bytes() for name in ("note.txt", "note-1.txt")]
    (url,) = json.loads(piped.stdout)
    assert b"hello" == httpx2.get(url).content


def test_in_a_terminal_a_bar_shows_how_far_it_is_and_goes_away(address: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Terminal("predict", "slow", f"gate={gate}", "--logs", url=address) as terminal:
        terminal.wait_for("half way")
        terminal.wait_for("50%")
        terminal.wait_for("begun")
        gate.touch()

        assert 0 == terminal.end()

    last = terminal.text.rstrip().rpartition("{")[2]
    assert '"gate": "open"' in last
    assert "\x1b[?25h" in terminal.shown  # the cursor is shown again


def test_in_a_terminal_text_comes_as_it_comes_and_gives_no_orders(address: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    words = json.dumps(["once", " \x1b]0;owned\x07upon"])
    with Terminal("predict", "tell", f"gate={gate}", f"words:={words}", url=address) as terminal:
        terminal.wait_for("once")
        gate.touch()

        assert 0 == terminal.end()

    assert terminal.text.rstrip("\r\n").endswith(r"once \x1b]0;owned\x07upon")
    assert "\x1b]0;" not in terminal.shown


def test_behind_a_pipe_text_that_no_longer_counts_is_an_error(address: str) -> None:
    reset = leveret("predict", "twice", "words=once", url=address)
    whole = leveret("predict", "twice", "words=once", "--json", url=address)

    assert (1, "once") == (reset.returncode, reset.stdout)
    assert reset.stderr.startswith("error (stream_reset): run 1 of the prediction")
    assert ["once"] == json.loads(whole.stdout)["output"]


def test_in_a_terminal_text_that_no_longer_counts_is_noted(address: str) -> None:
    with Terminal("predict", "twice", "words=once", url=address) as terminal:
        assert 0 == terminal.end()

    first, _, second = terminal.text.partition("not good enough")
    assert (1, 1) == (first.count("once"), second.count("once"))


def test_ctrl_c_cancels_the_prediction(address: str, tmp_path: Path) -> None:
    with Terminal("predict", "slow", f"gate={tmp_path / 'gate'}", url=address) as terminal:
        terminal.wait_for("half way")
        terminal.interrupt()

        assert 130 == terminal.end()

    assert "canceling it" in terminal.text
    assert "Traceback" not in terminal.text
    assert "canceled" == status(address, newest(address, "slow"))


def test_a_second_ctrl_c_leaves_it(address: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Terminal("predict", "stubborn", f"gate={gate}", url=address) as terminal:
        terminal.wait_for("stubborn")
        terminal.interrupt()
        terminal.wait_for("canceling it")
        prediction_id = newest(address, "stubborn")
        terminal.interrupt()

        assert 130 == terminal.end()

    assert "Traceback" not in terminal.text
    assert "processing" == status(address, prediction_id)
    gate.touch()
    until = time.monotonic() + PATIENCE
    while status(address, prediction_id) == "processing":
        assert time.monotonic() < until
        time.sleep(0.02)
