"""Webhooks of whole programs: what has happened is told, whatever dies before it could be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest

from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port
from tests.webhooks.receiver import Received, Receiver, receiving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

COUNT = 5
MODEL = """
from leveret import model

@model
def echo(n: int) -> int:
    return n
"""
ALLOWING = QUICK | {"LEVERET_OUTBOUND_ALLOW_HTTP": "true", "LEVERET_OUTBOUND_ALLOW": "127.0.0.1/32"}


class Served:
    """What serves a model, and dies: a gateway with its worker beside it, or everything in one process."""

    def __init__(self, folder: Path, stack: ExitStack, *, embedded: bool) -> None:
        (folder / "echo.py").write_text(MODEL)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = dict(ALLOWING)
        command, worker = ["serve", "echo.py"], None
        if not embedded:
            redis = stack.enter_context(RedisServer(fsync="always"))
            environment |= {**rabbit.a_namespace(), "LEVERET_STORE_URL": redis.url}
            command = ["gateway"]
            worker = stack.enter_context(Program("worker", "echo.py", folder=folder, environment=environment))
        self.program = stack.enter_context(
            Program(*command, "--port", str(port), folder=folder, environment=environment)
        )
        for started in (self.program, *([] if worker is None else [worker])):
            started.wait_ready()

    def submit(self, receiver: Receiver, count: int) -> list[str]:
        """The ids of so many predictions with a webhook."""
        body = {"input": {"n": 7}, "webhook": receiver.url, "webhook_events_filter": ["start", "completed"]}
        with httpx2.Client(base_url=self.url, timeout=30) as client:
            answers = [client.post("/v1/models/local/echo/predictions", json=body) for _ in range(count)]
        return [str(answer.json()["id"]) for answer in answers]


def tells_the_end(prediction_id: str, received: Received) -> bool:
    """A run that was lost before makes it a later entry of the log."""
    return received.prediction.id == prediction_id and received.prediction.status == "succeeded"


@contextmanager
def serving(folder: Path, *, embedded: bool) -> Iterator[Served]:
    with ExitStack() as stack:
        yield Served(folder, stack, embedded=embedded)


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "distributed"])
async def test_what_a_killed_gateway_had_not_told_is_told_after_its_start(tmp_path: Path, *, embedded: bool) -> None:
    with serving(tmp_path, embedded=embedded) as served:
        async with receiving(None) as mute:
            ids = served.submit(mute, COUNT)
            await mute.wait(COUNT)  # it calls, and gets no answer
            served.program.kill()
        async with receiving(port=mute.port) as receiver:
            served.program.start()
            for prediction_id in ids:
                await receiver.wait_until(partial(tells_the_end, prediction_id))

        assert {f"msg_{prediction_id}_2" for prediction_id in ids} == {one.webhook_id for one in mute.received}
        assert {f"msg_{prediction_id}_2" for prediction_id in ids} <= {one.webhook_id for one in receiver.received}
        ended = [one.prediction for one in receiver.received if one.prediction.status == "succeeded"]
        assert set(ids) == {one.id for one in ended}
        assert {7} == {one.output for one in ended}


@pytest.mark.parametrize("embedded", [True, False], ids=["embedded", "distributed"])
async def test_what_happens_without_a_gateway_that_calls_is_told_by_the_next(tmp_path: Path, *, embedded: bool) -> None:
    """It is killed at once after it has answered, wherever its webhooks are by then."""
    with serving(tmp_path, embedded=embedded) as served:
        async with receiving() as receiver:
            ids = served.submit(receiver, COUNT)
            served.program.kill()
            served.program.start()
            for prediction_id in ids:
                await receiver.wait_until(partial(tells_the_end, prediction_id))

        assert set(ids) == {one.prediction.id for one in receiver.received if one.prediction.status == "succeeded"}
