"""The commands ask a gateway by https, and end at once with what to do if they do not believe it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from leveret.config import GatewaySettings
from tests.gateway.served import serving
from tests.system.program import Program
from tests.tls.papers import HOST, Papers

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("command", "believed", "code", "says"),
    [
        (("models",), True, 0, "echo"),
        (("models",), False, 2, "certificate_refused"),
        (("doctor",), True, 0, "answers, and knows 1 models"),
        (("doctor",), False, 2, "set ca to its CA's file"),
    ],
)
async def test_a_command_by_https(
    tmp_path: Path, papers: Papers, *, command: tuple[str, ...], believed: bool, code: int, says: str
) -> None:
    settings = GatewaySettings(tls_certificate=papers.sign("gateway"))
    async with serving(tmp_path, settings=settings) as gateway:
        environment = {"LEVERET_URL": f"https://{HOST}:{gateway.url.rpartition(':')[2]}"}
        environment |= {"LEVERET_CA": papers.ca} if believed else {}
        with Program(*command, folder=tmp_path, environment=environment) as program:
            assert code == await asyncio.to_thread(program.process.wait, 60), program.log

    assert says in program.log
