"""Dead letters on RabbitMQ and Redis: what the broker has given up is found, told of, and run again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pika
import pytest

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ECHO = """
from leveret import model

@model
def echo(n: int) -> int:
    return n
"""
LANE = "leveret.local.echo.0"
PATIENCE = 60.0


@pytest.fixture
def rabbit() -> Iterator[RabbitServer]:
    with RabbitServer() as server:
        yield server


def test_what_the_broker_has_given_up_becomes_a_dead_letter_and_can_be_run_again(
    tmp_path: Path, rabbit: RabbitServer
) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    port = free_port()
    with RedisServer() as redis:
        urls = QUICK | {"LEVERET_BROKER_URL": rabbit.url, "LEVERET_STORE_URL": redis.url}
        worker = Program("worker", "echo.py", folder=tmp_path, environment=urls)
        with (
            Program("gateway", "--port", str(port), folder=tmp_path, environment=urls) as gateway,
            httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        ):
            gateway.wait_ready()
            with worker:
                worker.wait_ready()
                published(rabbit, b"not ours")
                (foreign,) = listed(client, 1)
            created = client.post("/v1/models/local/echo/predictions", json={"input": {"n": 7}}).json()
            come_back_too_often(rabbit)
            undeliverable = next(one for one in listed(client, 2) if one["why"] == "undeliverable")
            with worker:
                fresh = client.post(f"/admin/v1/dead/{created['id']}/retry").json()
                worker.wait_ready(2)
                ended = ended_as(client, fresh["id"])

            assert ("foreign", "not ours") == (foreign["why"], detail(client, foreign["id"])["body"])
            assert created["id"] == undeliverable["id"]
            failed = client.get(f"/v1/predictions/{created['id']}").json()
            assert ("failed", undeliverable["error"]) == (failed["status"], failed["error"])
            assert "more than 50 times" in failed["error"]
            assert ("succeeded", 7) == (ended["status"], ended["output"])
            assert [foreign["id"]] == [one["id"] for one in listed(client, 1)]


def published(rabbit: RabbitServer, body: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as connection:
        connection.channel().basic_publish("", LANE, body)


def come_back_too_often(rabbit: RabbitServer) -> None:
    """Take what waits in the lane and give it back, until it is there no more."""
    with pika.BlockingConnection(pika.URLParameters(rabbit.url)) as connection:
        channel = connection.channel()
        while (got := channel.basic_get(LANE))[0] is not None:
            channel.basic_nack(got[0].delivery_tag or 0, requeue=True)


def listed(client: httpx2.Client, count: int) -> list[dict[str, str]]:
    """The dead letters, as soon as there are so many."""
    until = time.monotonic() + PATIENCE
    while len(found := client.get("/admin/v1/dead").json()["results"]) != count:
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return list(found)


def detail(client: httpx2.Client, letter_id: str) -> dict[str, str]:
    return dict(client.get(f"/admin/v1/dead/{letter_id}").json())


def ended_as(client: httpx2.Client, prediction_id: str) -> dict[str, object]:
    """The prediction, once it has ended."""
    until = time.monotonic() + PATIENCE
    while (found := client.get(f"/v1/predictions/{prediction_id}").json())["status"] in {"starting", "processing"}:
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return dict(found)
