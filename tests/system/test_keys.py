"""API keys as operators and clients meet them: made on the command line, asked for by servers, told to nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx2
import pytest
from replicate.client import Client as Replicate
from replicate.exceptions import ReplicateError

from leveret.client import Client
from leveret.errors import InvalidInput, Unauthenticated
from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SECRET: Final = "a-secret-that-nobody-else-shall-read"
MODELS: Final = """
from collections.abc import Iterator
from leveret import File, model

@model
def spell(text: str) -> Iterator[str]:
    yield from text

@model
def turn(file: File) -> File:
    return File(file.read()[::-1], "text/plain")

@model
def fail(text: str) -> str:
    raise ValueError("no")
"""


def keys(*line: str, folder: Path, environment: Mapping[str, str]) -> str:
    """What `leveret keys` prints."""
    command = [str(Path(sys.executable).with_name("leveret")), "keys", *line]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **QUICK, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


class Site:
    """A server that asks for keys, and one."""

    def __init__(self, program: Program, url: str, key: str, environment: Mapping[str, str]) -> None:
        self.program = program
        self.url = url
        self.key = key
        self.environment = environment


@pytest.fixture(params=["embedded", "apart"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "models.py").write_text(MODELS)
    port, environment = free_port(), {"LEVERET_LOG_LEVEL": "debug"}
    with ExitStack() as stack:
        if request.param == "apart":
            store = stack.enter_context(RedisServer())
            environment |= {**rabbit.a_namespace(), "LEVERET_STORE_URL": store.url}
        key = keys("create", "--account", "acme", "--scope", "predict", folder=tmp_path, environment=environment)
        targets = [f"models.py:{name}" for name in ("spell", "turn", "fail")]
        line = ("serve", *targets, "--port", str(port), "--host", "0.0.0.0")
        program = Program(*line, folder=tmp_path, environment={**QUICK, **environment})
        stack.enter_context(program).wait_ready()
        yield Site(program, f"http://127.0.0.1:{port}", key, environment)


def test_the_official_client_needs_the_key_and_nothing_else(site: Site, tmp_path: Path) -> None:
    client, stranger = (Replicate(api_token=token, base_url=site.url) for token in (site.key, "lv_wrong"))
    (tmp_path / "a.txt").write_bytes(b"hare")
    with (tmp_path / "a.txt").open("rb") as file:
        turned = client.run("local/turn", input={"file": file})
    chunks = [str(event) for event in client.stream("local/spell", input={"text": "hop"})]
    prediction = client.predictions.create(model="local/spell", input={"text": "go"})
    prediction.wait()
    refused: list[int | None] = []
    for asked, prediction_id in ((stranger, prediction.id), (client, "nothing")):
        with pytest.raises(ReplicateError) as error:
            asked.predictions.get(prediction_id)
        refused.append(error.value.status)
    with pytest.raises(ReplicateError) as error:
        client.predictions.create(model="local/spell", input={"text": 1})
    refused.append(error.value.status)
    with httpx2.Client() as nobody:
        streamed = nobody.get(str((prediction.urls or {})["stream"]))
        read = nobody.get(str(turned))
        hidden = nobody.get(f"{site.url}/v1/predictions/{prediction.id}")
    for one in (client, stranger):
        one._client.close()

    assert "hop" == "".join(chunks)
    assert b"erah" == read.content
    assert [401, 404, 422] == refused
    assert (200, 401) == (streamed.status_code, hidden.status_code)


def test_neither_keys_nor_inputs_reach_the_log_or_an_error(site: Site) -> None:
    with Client(site.url, token=site.key) as client:
        client.run("spell", {"text": SECRET}, timeout=60)
        client.submit("fail", {"text": SECRET}).wait(60)
        with pytest.raises(InvalidInput) as wrong:
            client.submit("spell", {"text": [SECRET]})
    with Client(site.url, token=f"lv_{SECRET}") as client, pytest.raises(Unauthenticated) as refused:
        client.submit("spell", {"text": SECRET})

    for text in (site.program.log, str(wrong.value), str(refused.value)):
        assert SECRET not in text
        assert site.key not in text
    assert "authorization" not in site.program.log.lower()


def test_keys_are_listed_rotated_and_revoked_where_they_are_kept(tmp_path: Path) -> None:
    old = json.loads(keys("create", "--scope", "read", "--scope", "admin", "--json", folder=tmp_path, environment={}))
    new = json.loads(keys("rotate", old["id"], "--json", folder=tmp_path, environment={}))
    keys("revoke", old["id"], folder=tmp_path, environment={})

    listed = json.loads(keys("list", "--json", folder=tmp_path, environment={}))

    assert old["key"] != new["key"]
    assert [(new["id"], ["read", "admin"])] == [(one["id"], one["scopes"]) for one in listed]
    assert not any(new["key"] in path.read_bytes().decode(errors="ignore") for path in tmp_path.rglob("leveret.db*"))


@pytest.mark.parametrize(("more", "code"), [((), 2), (("--insecure",), None)])
def test_without_a_key_nobody_else_is_let_in_unless_that_is_said(
    tmp_path: Path, more: tuple[str, ...], code: int | None
) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    line = ("serve", "models.py:spell", "--host", "0.0.0.0", "--port", str(free_port()), *more)

    with Program(*line, folder=tmp_path, environment=QUICK) as program:
        if code is None:
            program.wait_ready()
            assert "open to everybody" in program.log
        else:
            assert code == program.process.wait(30)
            assert "leveret keys create" in program.log
