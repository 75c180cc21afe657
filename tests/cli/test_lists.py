"""The commands that list, show, watch and change predictions, against a gateway on the embedded database."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from leveret import cli
from leveret.core.events import Logs, Progress
from tests.cli.terminal import Terminal, command, environment, leveret
from tests.gateway.served import ECHO, Gateway, serving


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path) as gateway:
        yield gateway


async def asked(gateway: Gateway, *arguments: str) -> Result:
    """`leveret ARGUMENTS…`, told by a variable where the gateway is."""
    runner = CliRunner(env={"LEVERET_URL": gateway.url, "COLUMNS": "200"})
    return await asyncio.to_thread(lambda: runner.invoke(cli.app, arguments))


async def answered(gateway: Gateway, *arguments: str) -> object:
    """What it answers as JSON."""
    result = await asked(gateway, *arguments, "--json")
    assert 0 == result.exit_code, result.output
    return json.loads(result.stdout)


async def ran(gateway: Gateway) -> list[str]:
    """The ids of one that waits, one that runs, one that has failed and one that has succeeded."""
    waits, runs, failed, succeeded = [await gateway.create() for _ in range(4)]
    run = await gateway.worker.start(runs)
    await gateway.worker.report(run, Progress(at=1.0, attempt=1, fraction=0.25))
    await gateway.worker.report(run, Logs(at=1.0, attempt=1, text="one\n\x1b[31mtwo\n"))
    await gateway.worker.say(run, b'"a"', b"7")
    await gateway.worker.fail(await gateway.worker.start(failed), "ValueError: \x1b[31mno\nmore")
    await gateway.worker.succeed(await gateway.worker.start(succeeded), b'{"a": 1}')
    return [waits, runs, failed, succeeded]


async def test_predictions_are_listed_newest_first_with_what_they_are(gateway: Gateway) -> None:
    ids = await ran(gateway)

    table = await asked(gateway, "list")
    rows = [line.split() for line in table.stdout.splitlines()[1:]]

    assert 0 == table.exit_code, table.output
    assert ids[::-1] == [row[0] for row in rows]
    assert ["succeeded", "failed", "processing", "starting"] == [row[2] for row in rows]
    assert "25%" == rows[2][3]
    assert r"ValueError: \x1b[31mno" in table.stdout
    assert "more" not in table.stdout


async def test_a_list_is_narrowed_and_cut(gateway: Gateway) -> None:
    _, _, failed, succeeded = await ran(gateway)

    cut = await asked(gateway, "list", "--limit", "2", "--json")

    assert [failed] == [one["id"] for one in await listed(gateway, "--status", "failed")]
    assert 4 == len(await listed(gateway, "--model", "local/echo"))
    assert [] == await listed(gateway, "--model", "acme/ocr")
    assert [succeeded, failed] == [one["id"] for one in json.loads(cut.stdout)]
    assert "--limit" in cut.stderr


async def listed(gateway: Gateway, *arguments: str) -> list[dict[str, object]]:
    found = await answered(gateway, "list", *arguments)
    assert isinstance(found, list)
    return found


async def test_one_is_shown_with_all_that_is_known_of_it(gateway: Gateway) -> None:
    _, runs, failed, _ = await ran(gateway)

    shown, told = await asked(gateway, "show", runs), await answered(gateway, "show", failed)

    for words in (runs, "processing", "0.25", '"text": "hello"', "one\n\\x1b[31mtwo"):
        assert words in shown.stdout
    assert isinstance(told, dict)
    assert ("failed", "ValueError: \x1b[31mno\nmore") == (told["status"], told["error"])


async def test_one_is_watched_to_its_end(gateway: Gateway) -> None:
    _, runs, failed, succeeded = await ran(gateway)
    await gateway.client.post(f"/v1/predictions/{runs}/cancel")

    good = await asked(gateway, "watch", succeeded)
    rest = await asked(gateway, "watch", succeeded, "--after", "2", "--json")
    bad = await asyncio.to_thread(leveret, "watch", failed, "--json", url=gateway.url)

    assert ["queued", "started", "succeeded"] == [line.split()[1] for line in good.stdout.splitlines()]
    assert good.stdout.rstrip().endswith('{"a": 1}')
    assert [(3, "succeeded")] == [(one["number"], one["type"]) for one in lines(rest.stdout)]
    assert [1, 2, 3] == [one["number"] for one in lines(bad.stdout)]
    assert 1 == bad.returncode
    assert "error (model_failed)" in bad.stderr


async def test_a_watcher_sees_what_happens_as_it_happens(gateway: Gateway) -> None:
    prediction_id = await gateway.create()
    with Terminal("watch", prediction_id, url=gateway.url) as terminal:
        await asyncio.to_thread(terminal.wait_for, "queued")
        run = await gateway.worker.start(prediction_id)
        await gateway.worker.report(run, Progress(at=1.0, attempt=1, fraction=0.5, message="half way"))
        await asyncio.to_thread(terminal.wait_for, "half way")
        await gateway.worker.report(run, Logs(at=1.0, attempt=1, text="one\ntwo\x1b[31m\n"))
        await asyncio.to_thread(terminal.wait_for, r"one\ntwo\u001b[31m")
        await gateway.worker.say(run, b'"a"', b"7")
        await asyncio.to_thread(terminal.wait_for, '"a" 7')
        terminal.interrupt()

        assert 130 == await asyncio.to_thread(terminal.end)

    assert "Traceback" not in terminal.text


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_what_cannot_be_canceled_or_retried_keeps_the_others_from_nothing(gateway: Gateway) -> None:
    waits, runs, failed, _ = await ran(gateway)

    canceled = await asked(gateway, "cancel", "nothing", waits)
    retried = await asked(gateway, "retry", runs, failed)
    told = await asked(gateway, "retry", failed, "--json")

    assert (1, f"canceled {waits}\n") == (canceled.exit_code, canceled.stdout)
    assert "there is no prediction 'nothing'" in canceled.stderr
    assert 1 == retried.exit_code
    assert retried.stdout.startswith(f"retried {failed} as ")
    assert "is processing" in retried.stderr
    assert 0 == told.exit_code
    assert [failed] == list(json.loads(told.stdout)["retried"])
    assert 6 == len(await listed(gateway))


async def test_models_and_queues_are_shown(gateway: Gateway) -> None:
    await ran(gateway)

    table, one, queues = [await asked(gateway, *words) for words in (("models",), ("models", "echo"), ("queues",))]

    assert ["local/echo", "1", "0e0e0e0e0e0e"] == table.stdout.splitlines()[1].split()[:3]
    assert {"text", "times", "tags", "tone"} == {line.split()[0] for line in one.stdout.splitlines()[2:]}
    assert ["local/echo", "4", "2", "2", "0", "0", "1", "1"] == queues.stdout.splitlines()[1].split()
    assert isinstance(await answered(gateway, "models"), list)
    assert isinstance(await answered(gateway, "models", "echo"), dict)
    assert [{"model": "local/echo", "waiting": 4, "lanes": [2, 2, 0, 0], "running": 1, "workers": 1}] == (
        await answered(gateway, "queues")
    )


async def test_a_model_that_a_worker_cannot_run_says_why(gateway: Gateway) -> None:
    await gateway.store.announce(ECHO, worker="w1", lease=60, problem="RuntimeError: no device\nmore")
    await gateway.client.get("/health/ready")  # which renews the catalog

    table, one = [await asked(gateway, *words) for words in (("models",), ("models", "echo"))]

    assert table.stdout.splitlines()[1].rstrip().endswith("PROBLEM: RuntimeError: no device")
    assert "PROBLEM: RuntimeError: no device\nmore" in one.stdout


@pytest.mark.parametrize(
    "arguments", [("show", "nothing"), ("watch", "nothing"), ("models", "acme/nothing"), ("models", "..")]
)
async def test_what_is_not_there_ends_with_1(gateway: Gateway, arguments: tuple[str, ...]) -> None:
    refused = await asyncio.to_thread(leveret, *arguments, url=gateway.url)

    assert (1, "") == (refused.returncode, refused.stdout)
    assert refused.stderr.startswith("error (")


@pytest.mark.parametrize(
    "arguments",
    [
        ("cancel",),
        ("retry",),
        ("show",),
        ("watch",),
        ("list", "--limit", "0"),
        ("list", "--status", "lost"),
        ("predict",),
    ],
)
def test_what_is_not_called_as_it_should_be_ends_with_2(arguments: tuple[str, ...]) -> None:
    refused = CliRunner().invoke(cli.app, [*arguments, "--url", "http://127.0.0.1:1"])

    assert (2, "") == (refused.exit_code, refused.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [("list",), ("show", "x"), ("watch", "x"), ("cancel", "x"), ("retry", "x"), ("models",), ("queues",)]
)
def test_where_no_gateway_is_every_command_ends_with_3(arguments: tuple[str, ...]) -> None:
    alone = leveret(*arguments, url="http://127.0.0.1:1")

    assert (3, "") == (alone.returncode, alone.stdout)
    assert alone.stderr.startswith("error (gateway_unreachable): no gateway answers at http://127.0.0.1:1 (")


async def completed(words: str, *, url: str) -> list[str]:
    """What bash would be told."""
    variables = {"_LEVERET_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    process = await asyncio.create_subprocess_exec(
        *command(), env=environment(url) | variables, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complained = await process.communicate()
    assert b"" == complained
    return said.decode().split()


async def test_the_shell_completes_models(gateway: Gateway) -> None:
    assert ["local/echo"] == await completed("leveret predict ", url=gateway.url)
    assert ["echo"] == await completed("leveret models ec", url=gateway.url)
    assert [] == await completed("leveret predict x", url=gateway.url)
    assert [] == await completed("leveret predict ", url="http://127.0.0.1:1")
