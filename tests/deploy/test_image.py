"""The image is really built, and what `leveret dockerfile` writes on top of it, and run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.deploy.builder import BASE, ROOT, Builder, missing
from tests.system.program import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

LEVERET = "localhost/leveret"
WHO = "localhost/who"
MODEL = """
import os
import iniconfig
from leveret import model

@model
def who(name: str) -> str:
    return f"{name} {os.getuid()} {iniconfig.__name__}"
"""


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    with Builder(tmp_path_factory.mktemp("builder")) as builder:
        builder.import_base()
        builder.build(ROOT, LEVERET, base=BASE)
        yield builder


@pytest.fixture(scope="module")
def who(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """The builder, with an image that `leveret dockerfile` was written for."""
    folder = tmp_path_factory.mktemp("who")
    (folder / "app.py").write_text(MODEL)
    (folder / "requirements.txt").write_text("iniconfig\n")
    line = [str(Path(sys.executable).with_name("leveret")), "dockerfile", "app.py:who"]
    text = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True).stdout
    (folder / "Dockerfile").write_text(text)
    builder.build(folder, WHO, leveret=LEVERET)
    return builder


def test_the_image_runs_the_command_without_root_and_without_what_built_it(builder: Builder) -> None:
    with builder.container(LEVERET) as container:
        packages = container.run("pip", "list", "--format=freeze")

        assert "10001" == container.run("id", "-u").strip()
        assert "Usage" in container.run("leveret", "--help")

    names = {line.partition("==")[0].lower() for line in packages.splitlines()}
    assert {"leveret", "obstore", "pika", "redis"} <= names
    assert names.isdisjoint({"hatchling", "pytest", "mypy", "flask"})


def test_a_model_is_served_from_the_image_that_is_written_for_it(who: Builder) -> None:
    port = free_port()
    line = ("leveret", "serve", "app.py:who", "--port", str(port), "--insecure", "--worker-health-port", "0")
    with who.container(WHO) as container, container.running(*line, until="ready", LEVERET_DATA_DIR="/data"):
        answer = asked(port)

        assert "ada 10001 iniconfig" == answer.json()["output"]


def test_a_gateway_and_a_worker_run_from_the_image_and_it_knows_whether_they_are_healthy(who: Builder) -> None:
    with ExitStack() as stack:
        redis, rabbit = stack.enter_context(RedisServer()), stack.enter_context(RabbitServer())
        urls = {"LEVERET_BROKER_URL": rabbit.url, "LEVERET_STORE_URL": redis.url}
        gateway = {**urls, "LEVERET_GATEWAY_PORT": str(free_port()), "LEVERET_WORKER_HEALTH_PORT": "0"}
        worker = {**urls, "LEVERET_GATEWAY_PORT": "0", "LEVERET_WORKER_HEALTH_PORT": str(free_port())}
        container = stack.enter_context(who.container(WHO))
        key = container.run("leveret", "keys", "create", "--scope", "predict", **urls).split()[-1]
        check = healthcheck(who)

        assert not container.succeeds(*check, **gateway)
        stack.enter_context(container.running("leveret", "gateway", until="ready", **gateway))
        assert container.succeeds(*check, **gateway)
        assert not container.succeeds(*check, **worker)
        stack.enter_context(container.running("leveret", "worker", "app.py:who", until="ready", **worker))
        assert container.succeeds(*check, **worker)
        assert container.succeeds(*check, "ready", **worker)
        assert container.succeeds(*check, "ready", **gateway)
        answer = asked(int(gateway["LEVERET_GATEWAY_PORT"]), key)

        assert "ada 10001 iniconfig" == answer.json()["output"]


def healthcheck(builder: Builder) -> list[str]:
    """The command by which the image says whether it is healthy."""
    kind, *command = builder.inspect(WHO, "{{.Docker.Config.Healthcheck.Test}}").strip("[]").split()
    assert "CMD" == kind
    return command


def asked(port: int, key: str = "") -> httpx2.Response:
    """What the model says."""
    return httpx2.post(
        f"http://127.0.0.1:{port}/v1/models/local/who/predictions",
        json={"input": {"name": "ada"}},
        headers={"Prefer": "wait=30", **({"Authorization": f"Bearer {key}"} if key else {})},
        timeout=40,
    )
