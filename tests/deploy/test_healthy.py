"""The health check of the image, at servers that answer, refuse or are not there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final

import pytest

from tests.deploy.builder import ROOT
from tests.system.program import free_port

PROGRAM: Final = str(ROOT / "deploy" / "healthy")


class Server(ThreadingHTTPServer):
    """Answers every question with this status, and knows what it was asked."""

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = status
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server calls it
        """Say nothing."""


@contextmanager
def serving(status: int) -> Iterator[Server]:
    with Server(status) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def healthy(*arguments: str, gateway: int, worker: int) -> bool:
    ports = {"LEVERET_GATEWAY_PORT": str(gateway), "LEVERET_WORKER_HEALTH_PORT": str(worker)}
    done = subprocess.run(
        [sys.executable, PROGRAM, *arguments], env=ports, capture_output=True, check=False, timeout=30
    )
    return done.returncode == 0


@pytest.mark.parametrize(("statuses", "wanted"), [((200, 200), True), ((200, 503), False), ((503, 200), False)])
def test_whoever_is_there_must_say_yes(statuses: tuple[int, int], wanted: bool) -> None:
    with serving(statuses[0]) as gateway, serving(statuses[1]) as worker:
        assert wanted == healthy(gateway=gateway.server_port, worker=worker.server_port)


@pytest.mark.parametrize("worker", [0, None])
def test_whoever_is_not_there_is_not_asked(worker: int | None) -> None:
    with serving(200) as gateway:
        assert healthy(gateway=gateway.server_port, worker=free_port() if worker is None else worker)


def test_nobody_there_is_not_healthy() -> None:
    assert not healthy(gateway=free_port(), worker=free_port())


@pytest.mark.parametrize(("arguments", "path"), [((), "/health/live"), (("ready",), "/health/ready")])
def test_it_asks_whether_they_live_or_are_ready(arguments: tuple[str, ...], path: str) -> None:
    with serving(200) as gateway:
        assert healthy(*arguments, gateway=gateway.server_port, worker=0)
        assert [path] == gateway.asked
