"""Where the traces go is for the OTEL_* variables to say, as for any program with OpenTelemetry."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from tests.system.program import QUICK, Program, free_port
from tests.webhooks.receiver import receiving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MODEL: Final = """
from leveret import model

@model
def echo(n: int) -> int:
    return n
"""


async def run_once(folder: Path, environment: Mapping[str, str]) -> str:
    """The log of a server that has run one prediction and ended."""
    (folder / "echo.py").write_text(MODEL)
    port = free_port()
    with Program(
        "serve", "echo.py", "--port", str(port), folder=folder, environment={**QUICK, **environment}
    ) as program:
        await asyncio.to_thread(program.wait_ready)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            answer = await client.post(
                "/v1/models/local/echo/predictions", json={"input": {"n": 7}}, headers={"Prefer": "wait=30"}
            )
        assert "succeeded" == answer.json()["status"]
        assert 0 == await asyncio.to_thread(program.terminate)
        return program.log


def attributes(resource: Resource) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in resource.attributes}


async def test_an_endpoint_is_all_it_takes(tmp_path: Path) -> None:
    async with receiving("200 OK") as collector:
        await run_once(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}"})
        sent = await collector.wait(1)
    exports = [ExportTraceServiceRequest.FromString(one.body) for one in sent]
    resources = [spans for export in exports for spans in export.resource_spans]
    names = {span.name for spans in resources for scope in spans.scope_spans for span in scope.spans}

    assert {"POST /v1/traces HTTP/1.1"} == {one.head for one in sent}
    assert {"publish local/echo", "queued local/echo", "process local/echo", "run local/echo"} < names
    assert {"leveret"} == {attributes(spans.resource)["service.name"] for spans in resources}


async def test_the_name_of_the_service_is_the_operators_to_choose(tmp_path: Path) -> None:
    chosen = {"OTEL_TRACES_EXPORTER": "console", "OTEL_SERVICE_NAME": "hares"}

    log = await run_once(tmp_path, chosen)

    assert '"service.name": "hares"' in log
    assert '"name": "run local/echo"' in log


async def test_switched_off_nothing_is_sent(tmp_path: Path) -> None:
    log = await run_once(tmp_path, {"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"})

    assert "run local/echo" not in log


def test_an_exporter_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "echo.py").write_text(MODEL)
    environment = {**QUICK, "OTEL_TRACES_EXPORTER": "pigeon"}
    with Program("serve", "echo.py", folder=tmp_path, environment=environment) as program:
        code = program.process.wait(30)

    assert code != 0
    assert "there is no exporter 'pigeon' here" in program.log
