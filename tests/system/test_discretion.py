"""What a deployment tells its operators: enough to find a prediction, and nothing that users have written."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx2
import pytest
from msgspec import Struct

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.system.program import QUICK, Program, free_port
from tests.webhooks.receiver import receiving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SECRET: Final = "carrots-and-turnips"
WHOLE: Final = "0af7651916cd43dd8448eb211c80319c"
TRACED: Final = {"traceparent": f"00-{WHOLE}-b7ad6b7169203331-01"}
WRONG: Final = f"lv_{'x' * 40}"
MODELS: Final = """
import os
from leveret import Context, File, Retry, model

@model(retry_on=(KeyError,), retries=1)
def act(text: str, how: str, context: Context, file: File | None = None) -> str:
    print(text)
    context.log(text)
    context.progress(0.5, text)
    if context.attempt == 1:
        if how == "retry":
            raise Retry(text, after=0.1)
        if how == "crash":
            os.kill(os.getpid(), 9)
        if how == "again":
            raise KeyError(text)
    if how == "fail":
        raise ValueError(text)
    return text
"""
ENVIRONMENT: Final = QUICK | {
    "LEVERET_LOG_LEVEL": "debug",
    "LEVERET_LOG_FORMAT": "json",
    "LEVERET_OUTBOUND_ALLOW_HTTP": "true",
    "LEVERET_OUTBOUND_ALLOW": "127.0.0.1/32",
    "LEVERET_WEBHOOKS_MAX_ATTEMPTS": "1",
    "OTEL_TRACES_EXPORTER": "console",
}


class Deployment(Struct, frozen=True):
    """Its programs, where its gateway is, and the key of its clients."""

    programs: list[Program]
    url: str
    key: str

    @property
    def told(self) -> str:
        return "".join(program.log for program in self.programs)

    def lines(self) -> list[dict[str, object]]:
        """What of it is the log: spans of the console are spread over several lines."""
        return [json.loads(line) for line in self.told.splitlines() if line.startswith('{"')]

    async def run(self, how: str, **more: object) -> dict[str, object]:
        body = {"input": {"text": SECRET, "how": how}, **more}
        headers = {"Authorization": f"Bearer {self.key}", "Prefer": "wait=60", "X-Request-Id": f"wanted-{how}"}
        async with httpx2.AsyncClient(base_url=self.url, timeout=60, headers=headers | TRACED) as client:
            answer = await client.post("/v1/models/local/act/predictions", json=body)
            shown: dict[str, object] = answer.json()
            while shown["status"] in ("starting", "processing"):
                shown = (await client.get(f"/v1/predictions/{shown['id']}")).json()
        assert f"wanted-{how}" == answer.headers["x-request-id"]
        return shown


def new_key(folder: Path, environment: Mapping[str, str]) -> str:
    command = [str(Path(sys.executable).with_name("leveret")), "keys", "create", "--scope", "predict"]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(params=["embedded", "distributed"])
async def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Deployment]:
    (tmp_path / "models.py").write_text(MODELS)
    port, environment = free_port(), dict(ENVIRONMENT)
    commands: list[tuple[str, ...]] = [("serve", "models.py", "--port", str(port))]
    with ExitStack() as stack:
        if request.param == "distributed":
            environment["LEVERET_BROKER_URL"] = stack.enter_context(RabbitServer()).url
            environment["LEVERET_STORE_URL"] = stack.enter_context(RedisServer()).url
            commands = [("gateway", "--port", str(port)), ("worker", "models.py")]
        key = await asyncio.to_thread(new_key, tmp_path, environment)
        programs = [
            stack.enter_context(Program(*command, folder=tmp_path, environment=environment)) for command in commands
        ]
        for program in programs:
            await asyncio.to_thread(program.wait_ready)
        yield Deployment(programs, f"http://127.0.0.1:{port}", key)


async def mistakes(deployment: Deployment) -> list[httpx2.Response]:
    """What is answered to requests that are wrong, with secrets in every place."""
    path = "/v1/models/local/act/predictions"
    own = {"Authorization": f"Bearer {deployment.key}"}
    async with httpx2.AsyncClient(base_url=deployment.url, timeout=60) as client:
        return [
            await client.post(path, json={"input": {"text": SECRET}}, headers={"Authorization": f"Bearer {WRONG}"}),
            await client.post(path, json={"input": {"text": SECRET}}, headers={"Authorization": SECRET}),
            await client.post(path, content=f'{{"input": {SECRET}', headers=own),
            await client.post(
                path, json={"input": {"text": SECRET, "how": "fail"}, "webhook": f"ftp://{SECRET}"}, headers=own
            ),
            await client.get(f"/v1/{WRONG}", headers={**own, "X-Request-Id": WRONG}),
            await client.post(f"/v1/files?{WRONG}", content=SECRET, headers=own),
        ]


async def test_neither_keys_nor_inputs_reach_logs_traces_or_errors(deployment: Deployment) -> None:
    async with receiving("500 Oh") as receiver:
        hook = {"webhook": f"{receiver.url}?token={SECRET}", "webhook_events_filter": ["completed"]}
        ended = [await deployment.run(how, **hook) for how in ("well", "retry", "again", "crash", "fail")]
        await receiver.wait(len(ended))
    answers = await mistakes(deployment)
    for program in deployment.programs:
        await asyncio.to_thread(program.terminate)
    told = deployment.told

    assert ["succeeded"] * 4 + ["failed"] == [one["status"] for one in ended]
    assert {400, 401, 404, 422} >= {answer.status_code for answer in answers}
    assert '"name": "run local/act"' in told
    assert "run again" in told
    for secret in (SECRET, deployment.key, WRONG):
        assert secret not in told
    assert "authorization" not in told.lower()
    for answer in answers:
        assert deployment.key not in answer.text
    assert WRONG not in answers[0].text
    assert SECRET not in answers[1].text


async def test_a_line_about_a_prediction_says_whose_it_is(deployment: Deployment) -> None:
    async with receiving("500 Oh") as receiver:
        hook = {"webhook": receiver.url, "webhook_events_filter": ["completed"]}
        ended = await deployment.run("crash", **hook)
        await receiver.wait(1)
    for program in deployment.programs:
        await asyncio.to_thread(program.terminate)
    lines = [line for line in deployment.lines() if "prediction_id" in line]
    again = [line for line in lines if line["event"] == "run again"]

    assert {ended["id"]} == {line["prediction_id"] for line in lines}
    assert {("local/act", WHOLE)} == {(line["model"], line["trace_id"]) for line in lines}
    assert {"run again", "a webhook is given up"} <= {line["event"] for line in lines}
    assert [1] == [line["attempt"] for line in again]
    assert all(line["worker"] for line in again)
    assert str(ended["id"]) not in "".join(str(line) for line in deployment.lines() if line not in lines)
