"""The image is really built, and what `leveret dockerfile` writes on top of it, and run."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.deploy.builder import BASE, ROOT, Builder, missing
from tests.system.program import free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(missing()), reason=missing()),
]

LEVERET = "localhost/leveret"
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


def test_the_image_runs_the_command_without_root_and_without_what_built_it(builder: Builder) -> None:
    with builder.container(LEVERET) as container:
        packages = container.run("pip", "list", "--format=freeze")

        assert "10001" == container.run("id", "-u").strip()
        assert "Usage" in container.run("leveret", "--help")

    names = {line.partition("==")[0].lower() for line in packages.splitlines()}
    assert {"leveret", "pika", "redis"} <= names
    assert names.isdisjoint({"hatchling", "pytest", "mypy", "flask"})


def test_a_model_is_served_from_the_image_that_is_written_for_it(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(MODEL)
    (tmp_path / "requirements.txt").write_text("iniconfig\n")
    line = [str(Path(sys.executable).with_name("leveret")), "dockerfile", "app.py:who"]
    text = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    (tmp_path / "Dockerfile").write_text(text)

    builder.build(tmp_path, "localhost/who", leveret=LEVERET)

    port = free_port()
    with builder.container("localhost/who") as container:
        line = [
            *container.arguments(
                "leveret", "serve", "app.py:who", "--port", str(port), "--insecure", LEVERET_DATA_DIR="/data"
            )
        ]
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
            try:
                assert server.stdout is not None
                ready = next((said for said in server.stdout if "ready" in said), "")
                assert ready
                answer = httpx2.post(
                    f"http://127.0.0.1:{port}/v1/models/local/who/predictions",
                    json={"input": {"name": "ada"}},
                    headers={"Prefer": "wait=30"},
                    timeout=40,
                )
                assert "ada 10001 iniconfig" == answer.json()["output"]
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(60)
