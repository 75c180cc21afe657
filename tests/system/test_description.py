"""The gateway against its own description: whatever is sent, it answers as its document says, and never with a 5xx."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.program import Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(240)]

MODELS = """
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from leveret import File, model

@model
def shout(text: Annotated[str, Field(max_length=20)], times: int = 1, mood: Literal["calm", "loud"] = "calm") -> str:
    return text.upper() * min(max(times, 0), 3)

@model
def spell(text: str) -> Iterator[str]:
    yield from text[:5]

@model
def size(file: File) -> int:
    return len(file.read())
"""
EXAMPLES = 8
"""How many requests are made up for each endpoint, beside those that try the bounds of every parameter."""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "use_after_free",
    "ensure_resource_availability",
)
"""All but those that hold against us what OpenAPI cannot say: the method QUERY, and that a header or a form may be
wrong in ways that no schema tells."""

STREAMS = "/events$|^/v1/streams|/v1/socket"
"""They last as long as their prediction, or are no HTTP."""


def test_every_answer_is_as_it_is_described(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    port = free_port()
    targets = [f"models.py:{name}" for name in ("shout", "spell", "size")]
    with Program("serve", *targets, "--port", str(port), folder=tmp_path) as server:
        server.wait_ready()
        line = [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"http://127.0.0.1:{port}/openapi.json"),
            *("--phases", "coverage,fuzzing,stateful", "--max-examples", str(EXAMPLES), "--generation-deterministic"),
            *("--checks", ",".join(CHECKS), "--exclude-path-regex", STREAMS, "--continue-on-failure"),
            *("--no-color", "--warnings", "off", "--request-timeout", "20"),
        ]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stdout[-10_000:] + done.stderr[-2_000:]
    assert "no issues found" in done.stdout.lower() or "passed" in done.stdout
