"""A model that cannot be set up, over HTTP: clients see why, their predictions wait, and run when it is mended."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import httpx2
import pytest

from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PATIENCE = 60.0
MODEL_PATH = "/v1/models/local/fragile"
MODEL = """
from pathlib import Path
from leveret import model

@model
class Fragile:
    def setup(self) -> None:
        if not Path("fixed").exists():
            raise RuntimeError("no device")

    def predict(self, n: int) -> int:
        return n
"""

Shown: TypeAlias = dict[str, object]


def eventually(client: httpx2.Client, path: str, wanted: Callable[[Shown], bool]) -> Shown:
    """What is shown there, as soon as it is what is wanted."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = client.get(path)
        shown: Shown = answer.json()
        if answer.status_code == 200 and wanted(shown):
            return shown
        assert time.monotonic() < until, answer.text
        time.sleep(0.05)


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "RabbitMQ and Redis"])
def test_a_setup_that_fails_is_shown_and_predictions_wait_for_its_mending(tmp_path: Path, embedded: bool) -> None:
    (tmp_path / "fragile.py").write_text(MODEL)
    port = free_port()
    with ExitStack() as stack:
        if embedded:
            stack.enter_context(Program("serve", "fragile.py", "--port", str(port), folder=tmp_path))
        else:
            redis = stack.enter_context(RedisServer())
            environment = {**QUICK, **rabbit.a_namespace(), "LEVERET_STORE_URL": redis.url}
            for command in (("gateway", "--port", str(port)), ("worker", "fragile.py")):
                stack.enter_context(Program(*command, folder=tmp_path, environment=environment))
        client = stack.enter_context(
            httpx2.Client(base_url=f"http://127.0.0.1:{port}", transport=httpx2.HTTPTransport(retries=10), timeout=30)
        )

        broken = eventually(client, MODEL_PATH, lambda model: model["problem"] is not None)
        waiting = client.post("/v1/models/local/fragile/predictions", json={"input": {"n": 7}})
        (tmp_path / "fixed").touch()
        path = f"/v1/predictions/{waiting.json()['id']}"
        result = eventually(client, path, lambda prediction: "completed_at" in prediction)
        mended = eventually(client, MODEL_PATH, lambda model: model["problem"] is None)

    assert ("the model could not be set up: RuntimeError: no device", 1) == (broken["problem"], broken["workers"])
    assert (201, "starting") == (waiting.status_code, waiting.json()["status"])
    assert ("succeeded", 7, 1) == tuple(result[name] for name in ("status", "output", "attempt"))
    assert broken["latest_version"] == mended["latest_version"]
