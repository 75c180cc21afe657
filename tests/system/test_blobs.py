"""Large values between a gateway and a worker that share no folder."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MODEL = """
from leveret import model

@model
def repeat(text: str, times: int) -> str:
    return text * times
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """One for the gateway, another one for the worker."""
    folders = (tmp_path / "gateway", tmp_path / "worker")
    for folder in folders:
        folder.mkdir()
    (folders[1] / "repeat.py").write_text(MODEL)
    return folders


@pytest.mark.parametrize("shared", [False, True], ids=["in the store", "in a shared folder"])
def test_large_inputs_and_outputs_pass_between_processes(
    folders: tuple[Path, Path], tmp_path: Path, shared: bool
) -> None:
    text = "0123456789" * 20_000
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        environment = {**QUICK, **rabbit.a_namespace(), "LEVERET_STORE_URL": redis.url}
        if shared:
            environment["LEVERET_BLOBS_DIR"] = str(tmp_path / "shared")
        port = free_port()
        for command, folder in zip((("gateway", "--port", str(port)), ("worker", "repeat.py")), folders, strict=True):
            stack.enter_context(Program(*command, folder=folder, environment=environment)).wait_ready()
        client = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))

        answer = client.post(
            "/v1/models/local/repeat/predictions",
            json={"input": {"text": text, "times": 25}},
            headers={"Prefer": "wait=30"},
        )
        later = client.get(f"/v1/predictions/{answer.json()['id']}")

    assert answer.json()["status"] == "succeeded"
    assert answer.json()["output"] == text * 25
    assert later.json()["input"] == {"text": text, "times": 25}
    assert later.json()["output"] == text * 25
    assert len(list((tmp_path / "shared").rglob("*.json"))) == (2 if shared else 0)
