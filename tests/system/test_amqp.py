"""Programs in plain pika: they publish the documented message to real processes and get its reply."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import httpx2
import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

Shown: TypeAlias = dict[str, object]

PATIENCE: Final = 60.0
DOCUMENT: Final = Path(__file__).parent.parent.parent / "docs" / "amqp.md"

MODEL: Final = """
import os
import time
from pathlib import Path
from leveret import model

@model
def factorial(n: int, gate: str = "") -> str:
    if n < 0:
        raise ValueError("n is negative")
    if gate:
        Path(gate + ".begun").touch()
        while not os.path.exists(gate + ".open"):
            time.sleep(0.01)
    result = 1
    for factor in range(2, n + 1):
        result *= factor
    return str(result)
"""


class Asker:
    """A program that knows nothing of Leveret but what is documented."""

    def __init__(self, channel: BlockingChannel) -> None:
        self.channel = channel
        self.queue = channel.queue_declare("", exclusive=True).method.queue
        channel.confirm_delivery()

    def ask(self, given: object, *, prediction_id: str = "", **fields: object) -> str:
        asked = {"id": prediction_id or uuid.uuid4().hex, "model": "local/factorial", "input": given, **fields}
        properties = pika.BasicProperties(reply_to=self.queue, correlation_id=f"to {asked['id']}", delivery_mode=2)
        body = json.dumps({"created_at": time.time(), **asked}).encode()
        self.channel.basic_publish("leveret", "local.factorial.0", body, properties, mandatory=True)
        return str(asked["id"])

    def reply(self) -> Shown:
        """The next reply; checked against the property that names what it answers."""
        for _, properties, body in self.channel.consume(self.queue, auto_ack=True, inactivity_timeout=PATIENCE):
            assert properties is not None, f"no reply within {PATIENCE} s"
            shown: Shown = json.loads(body or b"")
            assert (f"to {shown['id']}", "application/json") == (properties.correlation_id, properties.content_type)
            return shown
        raise AssertionError("the channel has ended")


class Parts:
    """A gateway and a worker, which runs one at a time, on RabbitMQ and Redis."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        (folder / "factorial.py").write_text(MODEL)
        self.folder = folder
        self.redis, self.rabbit = stack.enter_context(RedisServer()), stack.enter_context(RabbitServer())
        self.port = free_port()
        environment = {**QUICK, "LEVERET_BROKER_URL": self.rabbit.url, "LEVERET_STORE_URL": self.redis.url}
        self.gateway, self.worker = (
            stack.enter_context(Program(*command, folder=folder, environment=environment))
            for command in (("gateway", "--port", str(self.port)), ("worker", "factorial.py"))
        )
        for program in (self.gateway, self.worker):
            program.wait_ready()

    @contextmanager
    def asker(self) -> Iterator[Asker]:
        with pika.BlockingConnection(pika.URLParameters(self.rabbit.url)) as connection:
            yield Asker(connection.channel())

    def cancel(self, prediction_id: str) -> None:
        httpx2.post(f"http://127.0.0.1:{self.port}/v1/predictions/{prediction_id}/cancel").raise_for_status()

    def shown(self, prediction_id: str) -> Shown:
        answer = httpx2.get(f"http://127.0.0.1:{self.port}/v1/predictions/{prediction_id}")
        shown: Shown = answer.raise_for_status().json()
        return shown


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with ExitStack() as stack:
        yield Parts(tmp_path_factory.mktemp("amqp"), stack)


@pytest.fixture
def gate(parts: Parts) -> str:
    return str(parts.folder / uuid.uuid4().hex)


def begins(gate: str) -> None:
    """Wait until a run has begun that waits at this gate."""
    until = time.monotonic() + PATIENCE
    while not Path(f"{gate}.begun").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_success_is_replied_as_get_shows_it(parts: Parts) -> None:
    with parts.asker() as asker:
        asked = asker.ask({"n": 20})
        reply = asker.reply()

    assert (asked, "succeeded", "2432902008176640000") == (reply["id"], reply["status"], reply["output"])
    assert {**parts.shown(asked), "urls": {}} == {**reply, "urls": {}}


def test_a_model_that_raises_and_an_input_that_does_not_fit_are_replied_as_failed(parts: Parts) -> None:
    inputs: list[object] = [{"n": -1}, {"n": "many"}, {}, []]
    with parts.asker() as asker:
        asked = [asker.ask(given) for given in inputs]
        replies = {reply["id"]: reply for reply in (asker.reply() for _ in asked)}

    errors = [str(replies[one]["error"]) for one in asked]
    assert ["failed"] * 4 == [replies[one]["status"] for one in asked]
    assert "ValueError: n is negative" == errors[0]
    assert all("does not fit the schema of local/factorial: /input/n: " in error for error in errors[1:3]), errors
    assert errors[3].endswith("/input: Input should be an object")


def test_a_cancel_and_a_deadline_that_passes_are_replied_as_canceled(parts: Parts, gate: str) -> None:
    with parts.asker() as asker:
        running, late = asker.ask({"n": 3, "gate": gate}), asker.ask({"n": 4}, deadline=time.time() - 1)
        begins(gate)
        parts.cancel(running)
        replies = {reply["id"]: reply for reply in (asker.reply() for _ in range(2))}

    assert ("canceled", "interrupted") == (replies[running]["status"], replies[running]["stopped"])
    assert ("canceled", "deadline passed before it started") == (replies[late]["status"], replies[late]["error"])


def test_what_the_broker_gives_up_is_replied_as_failed(parts: Parts) -> None:
    with parts.asker() as asker:
        asked = json.dumps({"id": "given-up", "model": "local/factorial", "input": {}, "created_at": time.time()})
        properties = pika.BasicProperties(reply_to=asker.queue, correlation_id="to given-up")
        asker.channel.basic_publish("", "leveret.dead", asked.encode(), properties)
        reply = asker.reply()

    assert "failed" == reply["status"]
    assert "could not be delivered" in str(reply["error"])


def test_the_same_id_published_again_is_not_run_again_but_replied_to_the_new_queue(parts: Parts) -> None:
    with parts.asker() as first:
        asked = first.ask({"n": 5})
        first.reply()
    with parts.asker() as second:
        second.ask({"n": 6}, prediction_id=asked)
        reply = second.reply()

    assert ("120", 1) == (reply["output"], reply["attempt"])


def test_the_program_of_the_documentation_runs(parts: Parts) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "LEVERET_BROKER_URL": parts.rabbit.url},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert ("succeeded 2432902008176640000 None\n", "") == (done.stdout, done.stderr)


def test_a_worker_that_is_killed_costs_no_reply(parts: Parts, gate: str) -> None:
    with parts.asker() as asker:
        asked = [asker.ask({"n": 3, "gate": gate}), asker.ask({"n": 4})]
        begins(gate)
        parts.worker.kill()
        Path(f"{gate}.open").touch()
        parts.worker.start()
        replies = {reply["id"]: reply for reply in (asker.reply() for _ in asked)}

    assert {asked[0]: "6", asked[1]: "24"} == {one: reply["output"] for one, reply in replies.items()}
