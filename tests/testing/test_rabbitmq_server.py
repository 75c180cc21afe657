from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import pika
import psutil
import pytest

from leveret.testing.rabbitmq_server import NoRabbitMQ, RabbitServer

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def test_a_node_serves_restarts_with_its_data_and_leaves_nothing_behind(folder: Path) -> None:
    children_before = children()

    with RabbitServer(settings=["channel_max = 7"]) as server:
        with pika.BlockingConnection(pika.URLParameters(server.url)) as connection:
            assert connection._impl.params.channel_max == 7  # type: ignore[attr-defined]  # not in the stubs
            connection.channel().queue_declare("kept", durable=True)
        server.flush()
        server.kill()
        server.start()
        assert "kept" in server.ctl("list_queues", "name")

    assert [] == list(folder.iterdir())
    assert children_before == children()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0


def test_a_node_that_cannot_start_says_why_and_leaves_nothing_behind(folder: Path) -> None:
    children_before = children()

    with pytest.raises(NoRabbitMQ, match="nonsense"), RabbitServer(settings=["nonsense = 1"]):
        pass

    assert [] == list(folder.iterdir())
    assert children_before == children()


def test_without_rabbitmq_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leveret.testing.rabbitmq_server._SCRIPTS", Path("/nowhere"))
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(NoRabbitMQ, match="install the package rabbitmq-server"):
        RabbitServer().start()
