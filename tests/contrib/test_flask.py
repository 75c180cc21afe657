"""The Flask extension, in apps before a real server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from leveret.client import Client, Prediction
from leveret.contrib.flask import Leveret
from leveret.errors import InvalidInput, PredictionNotFound, StillRunning
from tests.system.program import QUICK, Program, free_port

KEY = b"a secret of 24 bytes or more"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
ENDED = {"id": "p1", "model": "local/echo", "status": "succeeded", "output": "hi", "created_at": "2026-01-01T00:00:00Z"}

MODEL = """
import os
import time
from leveret import model

@model
def double(n: int, gate: str = "") -> int:
    while gate and not os.path.exists(gate):
        time.sleep(0.01)
    return 2 * n
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    (folder / "double.py").write_text(MODEL)
    environment = {**QUICK, "LEVERET_OUTBOUND_ALLOW_HTTP": "1", "LEVERET_OUTBOUND_ALLOW": "127.0.0.1/32"}
    with Program("serve", "double.py", "--port", str(port), folder=folder, environment=environment) as server:
        server.wait_ready()
        yield f"http://127.0.0.1:{port}"


def app(leveret: Leveret, **configuration: str) -> Flask:
    made = Flask(__name__)
    made.config.update(configuration)
    leveret.init_app(made)
    return made


@pytest.mark.slow
def test_a_prediction_is_submitted_looked_up_and_waited_for(gateway: str, tmp_path: Path) -> None:
    leveret, gate = Leveret(), tmp_path / "gate"
    with app(leveret, LEVERET_URL=gateway).app_context(), leveret.client:
        submitted = leveret.submit("double", {"n": 21, "gate": str(gate)}, priority="high")
        waiting = leveret.get(submitted)
        with pytest.raises(StillRunning):
            leveret.wait(submitted, timeout=0.1)
        gate.touch()
        ended = leveret.wait(submitted, timeout=60)

        assert (submitted, False, "high") == (waiting.id, waiting.ended, waiting.priority)
        assert ("succeeded", 42) == (ended.status, ended.output)
        with pytest.raises(InvalidInput):
            leveret.submit("double", {"n": "many"})
        with pytest.raises(PredictionNotFound):
            leveret.get("nothing")


@pytest.mark.slow
def test_one_extension_serves_several_apps_each_with_its_own_gateway(
    gateway: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leveret = Leveret()
    elsewhere, here = app(leveret, LEVERET_URL="http://127.0.0.1:9"), app(leveret)
    monkeypatch.setenv("LEVERET_URL", gateway)

    with here.app_context(), leveret.client as mine:
        assert mine is leveret.client
        assert leveret.wait(leveret.submit("double", {"n": 1}), timeout=60).output == 2
    with elsewhere.app_context(), leveret.client as other:
        assert mine is not other


@pytest.fixture
def arrived() -> list[Prediction]:
    return []


@pytest.fixture
def receiver(arrived: list[Prediction]) -> FlaskClient:
    made = Flask(__name__)
    made.config["LEVERET_WEBHOOK_SECRET"] = SECRET
    leveret = Leveret(made)

    @leveret.on_webhook
    def ended(prediction: Prediction) -> None:
        if prediction.output == "unwelcome":
            raise ValueError(prediction.output)
        arrived.append(prediction)

    return made.test_client()


def send(receiver: FlaskClient, body: bytes, *, key: bytes = KEY, at: float | None = None) -> TestResponse:
    """As the specification has it, independently of our own code."""
    timestamp = str(int(time.time() if at is None else at))
    signed = base64.b64encode(hmac.new(key, b"msg_1." + timestamp.encode() + b"." + body, hashlib.sha256).digest())
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": f"v1,{signed.decode()}",
        "Content-Type": "application/json",
    }
    return receiver.post("/leveret/webhooks", data=body, headers=headers)


def test_a_verified_webhook_calls_the_handlers(receiver: FlaskClient, arrived: list[Prediction]) -> None:
    answer = send(receiver, json.dumps(ENDED).encode())

    assert (204, b"") == (answer.status_code, answer.data)
    assert [("p1", "hi", True)] == [(one.id, one.output, one.ended) for one in arrived]


def test_what_is_not_signed_or_was_long_ago_calls_nobody(receiver: FlaskClient, arrived: list[Prediction]) -> None:
    body = json.dumps(ENDED).encode()

    answers = [
        send(receiver, body, key=b"another secret of 24 bytes"),
        send(receiver, body, at=time.time() - 3600),
        receiver.post("/leveret/webhooks", data=body),
    ]

    assert [(401, "bad_signature")] * 3 == [(answer.status_code, (answer.json or {})["code"]) for answer in answers]
    assert [] == arrived


def test_without_a_secret_nothing_is_believed(arrived: list[Prediction]) -> None:
    made = Flask(__name__)
    Leveret(made).on_webhook(arrived.append)

    assert 401 == send(made.test_client(), json.dumps(ENDED).encode(), key=b"").status_code
    assert [] == arrived


def test_what_is_signed_and_no_prediction_is_refused(receiver: FlaskClient, arrived: list[Prediction]) -> None:
    assert [400, 400] == [send(receiver, body).status_code for body in (b"{}", b"\xff")]
    assert [] == arrived


def test_a_handler_that_raises_makes_it_come_again(receiver: FlaskClient, arrived: list[Prediction]) -> None:
    refused = send(receiver, json.dumps({**ENDED, "output": "unwelcome"}).encode())

    assert (500, []) == (refused.status_code, arrived)


@pytest.mark.slow
def test_an_app_is_told_how_what_it_has_submitted_ends(gateway: str) -> None:
    leveret, told = Leveret(), queue.Queue[Prediction]()
    leveret.on_webhook(told.put)
    with Client(gateway) as client:
        served = app(leveret, LEVERET_URL=gateway, LEVERET_WEBHOOK_SECRET=client.webhooks.secret())
    served.add_url_rule("/scans", view_func=lambda: leveret.submit("double", {"n": 4}, webhook=leveret.webhook_url))
    server = make_server("127.0.0.1", 0, served, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        submitted = httpx2.get(f"http://127.0.0.1:{server.server_port}/scans").text
        found = told.get(timeout=60)
        while not found.ended:
            found = told.get(timeout=60)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        with served.app_context():
            leveret.client.close()

    assert (submitted, 8) == (found.id, found.output)
