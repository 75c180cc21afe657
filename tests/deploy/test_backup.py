"""The backups of docs/backup-and-upgrade.md are made and brought back by its own commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx2
import pytest

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.deploy.builder import ROOT
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(240)]

PATIENCE: Final = 60.0
LARGE: Final = 100_000
"""The size of an output that is not kept in its record."""

MODEL: Final = """
import time
from pathlib import Path
from leveret import model

@model
def gated(gate: str, size: int = 4) -> str:
    Path(gate + ".began").touch()
    while not Path(gate).exists():
        time.sleep(0.005)
    return "x" * size
"""
PAGE: Final = (ROOT / "docs" / "backup-and-upgrade.md").read_text()
SQLITE_BACKUP, SQLITE_RESTORE, REDIS_BACKUP, REDIS_RESTORE = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)


class Asked:
    """What clients ask of a gateway, before and after."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        (folder / "gated.py").write_text(MODEL)
        (folder / "open").touch()
        self._ended = self._running = self._waiting = ""

    def submit(self) -> None:
        """One that ends, one that runs, and one that waits for that."""
        self._ended = self._create("open", "wait=30")
        self._running = self._create("shut")
        self._waiting = self._create("shut")
        _until((self._folder / "shut.began").exists)

    def check(self) -> None:
        """What had ended is as it was, what had not ends now."""
        (self._folder / "shut").touch()
        assert "x" * LARGE == self._get(self._ended)["output"]
        for one in (self._running, self._waiting):
            _until(lambda one=one: self._get(one)["status"] == "succeeded")

    def _create(self, gate: str, prefer: str = "") -> str:
        answer = httpx2.post(
            f"http://127.0.0.1:{self.port}/v1/models/local/gated/predictions",
            json={"input": {"gate": gate, "size": LARGE}},
            headers={"Prefer": prefer} if prefer else {},
            timeout=40,
        )
        assert 201 == answer.status_code, answer.text
        return str(answer.json()["id"])

    def _get(self, prediction_id: str) -> dict[str, str]:
        answer = httpx2.get(f"http://127.0.0.1:{self.port}/v1/predictions/{prediction_id}", timeout=20)
        assert 200 == answer.status_code, answer.text
        found: dict[str, str] = answer.json()
        if str(found["output"]).startswith("http"):
            found["output"] = httpx2.get(found["output"], timeout=20).text
        return found


def _until(true: object) -> None:
    assert callable(true)
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def run(script: str, folder: Path, **variables: str) -> None:
    """The commands of the page, as an operator would give them."""
    line = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        line, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == done.returncode, done.stderr


def kept(redis: RedisServer) -> str:
    """The folder in which a Redis keeps its files."""
    line = ["redis-cli", "-u", redis.url, "config", "get", "dir"]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()[-1]


def test_an_embedded_server_comes_back_from_a_backup_that_was_made_while_it_ran(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    backup.mkdir()
    asked = Asked(tmp_path)
    line = ("serve", "gated.py", "--port", str(asked.port), "--data-dir", str(data))
    with Program(*line, folder=tmp_path) as server:
        server.wait_ready()
        asked.submit()

        run(SQLITE_BACKUP, tmp_path, DATA=str(data), BACKUP=str(backup))
        server.kill()
        shutil.rmtree(data / "blobs")
        (data / "leveret.db").write_bytes(b"a disk that is no more")
        run(SQLITE_RESTORE, tmp_path, DATA=str(data), BACKUP=str(backup))
        server.start()
        server.wait_ready(2)

        asked.check()


def test_redis_comes_back_from_a_backup_and_the_queues_are_made_of_it(tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    asked = Asked(tmp_path)
    lines = (("gateway", "--port", str(asked.port)), ("worker", "gated.py"))
    with RedisServer() as redis, RabbitServer() as rabbit, ExitStack() as stack:
        urls = {"LEVERET_BROKER_URL": rabbit.url, "LEVERET_STORE_URL": redis.url}
        programs = [
            stack.enter_context(Program(*line, folder=tmp_path, environment={**QUICK, **urls})) for line in lines
        ]
        for program in programs:
            program.wait_ready()
        asked.submit()
        run(REDIS_BACKUP, tmp_path, REDIS=redis.url, BACKUP=str(backup))
        for program in programs:
            program.kill()

    with RedisServer() as redis, RabbitServer() as rabbit, ExitStack() as stack:
        folder = kept(redis)
        redis.kill()
        run(REDIS_RESTORE, tmp_path, FOLDER=folder, BACKUP=str(backup))
        redis.start()
        urls = {"LEVERET_BROKER_URL": rabbit.url, "LEVERET_STORE_URL": redis.url}
        for line in lines:
            stack.enter_context(Program(*line, folder=tmp_path, environment={**QUICK, **urls})).wait_ready()

        asked.check()
