"""The official JavaScript client, unchanged."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias

import httpx2
import pytest

from tests.clients.cutter import Cutter
from tests.clients.models import TEXTS
from tests.clients.test_replicate_python import eventually
from tests.webhooks.receiver import receiving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

Run: TypeAlias = Callable[..., object]

HERE: Final = Path(__file__).with_name("javascript")


@pytest.fixture(scope="module")
def run(address: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Does one step of javascript/client.mjs with this input."""
    folder = tmp_path_factory.mktemp("javascript")
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)

    def run(step: str, *, at: str = address, **given: object) -> object:
        command = ["node", "client.mjs", at, step, json.dumps(given)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_run_in_every_way(run: Run) -> None:
    for step in ("run", "poll", "version", "deployment"):
        assert run(step, name="Ada") == "hello Ada"


def test_a_wait_that_is_too_short_is_polled_on(run: Run, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    opening = threading.Timer(2.5, gate.touch)
    opening.start()
    assert run("short", gate=str(gate)) == ["first", "second"]
    opening.join()


def test_what_is_streamed_is_a_list_in_the_end(run: Run) -> None:
    assert run("list", texts=TEXTS) == TEXTS


def test_stream_has_every_character(run: Run) -> None:
    events = run("stream", texts=TEXTS)
    assert isinstance(events, list)
    assert events[-1] == {"event": "done", "data": "{}"}
    assert "".join(event["data"] for event in events[:-1]) == "".join(TEXTS).replace("\u2028", "\n")


def test_errors_say_what_is_wrong(run: Run) -> None:
    failed, missing, invalid = run("fail", reason="no such luck"), run("missing"), run("invalid")
    assert isinstance(failed, dict)
    assert isinstance(missing, dict)
    assert isinstance(invalid, dict)
    assert "no such luck" in failed["message"]
    assert missing["status"] == 404
    assert invalid["status"] == 422


def test_cancel(run: Run, tmp_path: Path) -> None:
    assert run("cancel", gate=str(tmp_path / "gate")) == "canceled"


def test_a_create_whose_connection_breaks_makes_one_prediction(run: Run, address: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    def asked() -> list[str]:
        answer = httpx2.get(f"{address}/v1/predictions", params={"model": "local/gated"})
        return [one["id"] for one in answer.json()["results"] if one["input"] == {"gate": str(gate)}]

    with Cutter(address).serving() as cutter, ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, "gated", at=cutter.address, gate=str(gate))
        try:
            for _ in range(3):
                eventually(lambda: cutter.requests() == 1 and len(asked()) > 0)
                cutter.cut()
        finally:
            gate.touch()

        assert ["first", "second"] == running.result()
    assert 1 == len(asked())


def test_files_are_put_found_and_deleted(run: Run) -> None:
    said = run("files", content="hare")
    assert isinstance(said, dict)
    file = said["file"]
    assert (file["name"], file["content_type"], file["size"], file["metadata"]) == (
        *("hare.txt", "text/plain", 4),
        {"for": "a test"},
    )
    assert {**said["found"], "urls": file["urls"]} == file
    assert said["listed"][0] == file["id"]
    assert (said["content"], said["deleted"], said["gone"]["status"]) == ("hare", True, 404)


def test_files_in_inputs_and_outputs(run: Run) -> None:
    assert run("turn", content="hare") == {"buffer": "erah", "blob": "erah", "data": "erah"}
    assert run("film", frames=2) == ["frame 0", "frame 1"]


async def test_a_webhook_is_valid_by_the_secret_that_the_client_asks_for(run: Run) -> None:
    async with receiving() as receiver:
        prediction_id = await asyncio.to_thread(run, "hooked", url=receiver.url, name="Ada")
        (received,) = await receiver.wait(1)
    signed = {name: received.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")}

    valid = await asyncio.to_thread(run, "validate", body=received.body.decode(), **signed)

    assert (prediction_id, "hello Ada") == (received.prediction.id, received.prediction.output)
    assert [True, False] == valid


def test_pages_and_search(run: Run) -> None:
    assert run("page", name="Ada") == 100
    assert run("search") == ["greet"]


def test_a_limit_that_is_reached_is_an_error(run: Run, limited: str) -> None:
    failed = run("limited", at=limited, name="Ada")

    assert isinstance(failed, dict)
    assert ("ApiError", 429) == (failed["name"], failed["status"])
