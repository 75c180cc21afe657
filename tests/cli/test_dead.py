"""`leveret dead` as people and scripts meet it, against a gateway on the embedded database."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx2
import pytest
from msgspec import Raw
from typer.testing import CliRunner, Result

from leveret import cli
from leveret.backends.sqlite.database import open_database
from leveret.backends.sqlite.store import SqliteStore
from leveret.core.events import Failed, Why
from leveret.core.letters import foreign
from leveret.core.ports import Store
from leveret.core.prediction import Prediction
from tests.gateway.served import Gateway, serving
from tests.system.program import QUICK, Program, free_port

ECHO = """
from leveret import model

@model
def echo(n: int) -> int:
    return n
"""
STRANGER = foreign(b"\x1b]0;owned\x07\xff", reason="this is not a Leveret message \x1b[31m", at=1.7e9)
IDS = ["dead-3", "dead-2", "dead-1"]


async def bury(store: Store) -> None:
    """Three predictions that have died, one of another model, and a message that is none."""
    for name, model in [*[(name, "local/echo") for name in IDS], ("other", "acme/other")]:
        await store.create(Prediction(id=name, model=model, input=Raw(b'{"n":7}'), created_at=1.6e9))
        await store.end(name, Failed(at=1.7e9, error="it crashed (attempt 3 of 3)", dead=Why.EXHAUSTED))
    await store.bury(STRANGER)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path) as gateway:
        await gateway.broker.declare("acme/other")
        await bury(gateway.store)
        yield gateway


async def dead(gateway: Gateway, *arguments: str) -> Result:
    """`leveret dead ARGUMENTS…`, told by a variable where the gateway is."""
    runner = CliRunner(env={"LEVERET_URL": gateway.url})
    return await asyncio.to_thread(lambda: runner.invoke(cli.app, ["dead", *arguments]))


async def listed(gateway: Gateway, *arguments: str) -> list[str]:
    return [one["id"] for one in json.loads((await dead(gateway, "list", "--json", *arguments)).stdout)]


def leveret(*arguments: str, url: str = "") -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEVERET_")}
    return subprocess.run(
        [str(Path(sys.executable).with_name("leveret")), *arguments],
        env=environment | ({"LEVERET_URL": url} if url else {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_what_has_failed_for_good_is_listed_and_shown(gateway: Gateway) -> None:
    table = await dead(gateway, "list")
    one, stranger = await dead(gateway, "show", "dead-2"), await dead(gateway, "show", STRANGER.id)

    assert 0 == table.exit_code, table.output
    rows = [line.split() for line in table.stdout.splitlines()]
    assert ["id", "model", "why", "failed", "error"] == rows[0]
    assert ["other", *IDS, STRANGER.id] == [row[0] for row in rows[1:]]
    assert ["dead-3", "local/echo", "exhausted"] == rows[2][:3]
    assert "it crashed (attempt 3 of 3)" in table.stdout
    assert [True, True] == [word in one.stdout for word in ("it crashed (attempt 3 of 3)", '"n": 7')]
    assert r"\x1b]0;owned\x07\xff" in stranger.stdout
    assert "\x1b" not in table.stdout + stranger.stdout


async def test_a_list_is_narrowed_and_cut_and_read_by_programs(gateway: Gateway) -> None:
    assert IDS == await listed(gateway, "--model", "local/echo")
    assert ["other"] == await listed(gateway, "--model", "acme/other")
    cut = await dead(gateway, "list", "--limit", "2", "--json")
    shown = json.loads((await dead(gateway, "show", "dead-1", "--json")).stdout)

    assert ["other", "dead-3"] == [one["id"] for one in json.loads(cut.stdout)]
    assert "--limit" in cut.stderr
    assert ({"n": 7}, "exhausted", None) == (shown["input"], shown["why"], shown["body"])


async def test_a_list_goes_on_behind_the_first_page(gateway: Gateway) -> None:
    for number in range(150):
        await gateway.store.bury(foreign(b"?", reason="no JSON", at=1.7e9, place=number))

    assert 155 == len(await listed(gateway, "--limit", "1000"))
    assert {"retried": 4, "skipped": 151} == json.loads((await dead(gateway, "retry", "--all", "--json")).stdout)


async def test_one_that_cannot_be_retried_keeps_the_others_from_nothing(gateway: Gateway) -> None:
    retried = await dead(gateway, "retry", "nothing", ".", STRANGER.id, "dead-1")

    assert 1 == retried.exit_code
    assert retried.stdout.startswith("retried dead-1 as ")
    assert 2 == retried.stderr.count("there is no dead letter")
    assert "is no prediction" in retried.stderr
    assert ["other", "dead-3", "dead-2", STRANGER.id] == await listed(gateway)


async def test_all_are_retried_but_for_what_is_no_prediction(gateway: Gateway) -> None:
    of_one_model = await dead(gateway, "retry", "--all", "--model", "local/echo", "--json")
    rest = await dead(gateway, "retry", "--all")

    assert {"retried": 3, "skipped": 0} == json.loads(of_one_model.stdout)
    assert (0, "retried 1\n") == (rest.exit_code, rest.stdout)
    assert "1 stay" in rest.stderr
    assert [STRANGER.id] == await listed(gateway)
    assert (3, 1) == (sum(await gateway.broker.depth("local/echo")), sum(await gateway.broker.depth("acme/other")))


async def test_what_is_purged_is_gone(gateway: Gateway) -> None:
    some = await dead(gateway, "purge", "dead-1", STRANGER.id)
    left = await listed(gateway)
    of_one_model = await dead(gateway, "purge", "--all", "--model", "acme/other", "--json")
    rest = await dead(gateway, "purge", "--all")

    assert (0, f"purged dead-1\npurged {STRANGER.id}\n") == (some.exit_code, some.stdout)
    assert ["other", "dead-3", "dead-2"] == left
    assert {"purged": 1} == json.loads(of_one_model.stdout)
    assert "purged 2\n" == rest.stdout
    assert "no dead letters" in (await dead(gateway, "list")).stderr


@pytest.mark.slow
def test_what_is_retried_on_a_server_runs_again_as_a_new_prediction(tmp_path: Path) -> None:
    (tmp_path / ".leveret").mkdir()
    asyncio.run(_buried_in(tmp_path / ".leveret" / "leveret.db"))
    (tmp_path / "echo.py").write_text(ECHO)
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = QUICK | {"LEVERET_URL": "http://elsewhere.example"}  # of no interest to a server
    with Program("serve", "echo.py", "--port", str(port), folder=tmp_path, environment=environment) as server:
        server.wait_ready()

        retried = leveret("dead", "retry", "dead-1", "--json", url=url)

        assert 0 == retried.returncode, retried.stderr
        assert 7 == _result(url, json.loads(retried.stdout)["retried"]["dead-1"])
        left = leveret("dead", "list", "--model", "local/echo", "--url", url)
        assert ["id", "dead-3", "dead-2"] == [line.split()[0] for line in left.stdout.splitlines()]


async def _buried_in(file: Path) -> None:
    async with open_database(file) as database:
        await bury(SqliteStore(database))


def _result(url: str, prediction_id: str) -> object:
    """What becomes of the prediction, once it has ended."""
    with httpx2.Client(base_url=url, timeout=30) as client:
        while (found := client.get(f"/v1/predictions/{prediction_id}").json())["status"] in {"starting", "processing"}:
            time.sleep(0.01)
    return found["output"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("purge",),
        ("retry",),
        ("purge", "--model", "local/echo"),
        ("purge", "x", "--all"),
        ("retry", "x", "--model", "local/echo"),
        ("list", "--limit", "0"),
        ("show",),
        ("bury", "x"),
    ],
)
def test_what_is_not_said_clearly_does_nothing(arguments: tuple[str, ...]) -> None:
    refused = CliRunner().invoke(cli.app, ["dead", *arguments, "--url", "http://127.0.0.1:1"])

    assert (2, "") == (refused.exit_code, refused.stdout)
    assert "Usage" in refused.stderr


@pytest.mark.slow
def test_where_no_gateway_is_it_says_so() -> None:
    nowhere, nonsense = (leveret("dead", "list", "--url", url) for url in ("http://127.0.0.1:1", "nonsense"))

    assert 3 == nowhere.returncode
    assert nowhere.stderr.startswith("error (gateway_unreachable): no gateway answers at http://127.0.0.1:1 (")
    assert 2 == nonsense.returncode
    assert nonsense.stderr.startswith("error (invalid_setting): the setting url from --url or LEVERET_URL")
    assert "Traceback" not in nowhere.stderr + nonsense.stderr


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 404])
def test_what_answers_and_is_no_gateway_is_told_apart(status: int) -> None:
    with something_else(status) as url:
        answered = leveret("dead", "list", "--url", url)

    assert 1 == answered.returncode
    assert answered.stderr.startswith("error (gateway_refused): ")
    assert url in answered.stderr
    assert "Traceback" not in answered.stderr


@contextmanager
def something_else(status: int) -> Iterator[str]:
    """The URL of a web server that knows nothing of Leveret."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<h1>It works!</h1>")

    with HTTPServer(("127.0.0.1", 0), Pages) as pages:
        serving = threading.Thread(target=pages.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{pages.server_port}"
        finally:
            pages.shutdown()
            serving.join()
