"""`leveret permissions` prints what the rules say, for the settings that are there."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from leveret.backends.rabbitmq import permissions as rabbitmq
from leveret.backends.redis import permissions as redis
from leveret.backends.roles import Duties, Role
from tests.system.program import Program

pytestmark = pytest.mark.slow


def printed(folder: Path, *arguments: str, **settings: str) -> dict[str, list[str]]:
    environment = {f"LEVERET_{name.upper()}": value for name, value in settings.items()}
    with Program("permissions", *arguments, "--json", folder=folder, environment=environment) as program:
        assert 0 == program.process.wait(30), program.log
    found: dict[str, list[str]] = json.loads(program.log)
    return found


def test_a_user_is_made_for_the_namespace_the_virtual_host_and_the_models(tmp_path: Path) -> None:
    found = printed(
        tmp_path,
        *("worker", "--model", "ocr", "--model", "acme/speech", "--user", "gpu"),
        namespace="hares",
        broker_url="amqps://someone:secret@rabbit.internal/my%2Fhost",
        worker_replies="false",
    )

    duties = Duties(Role.WORKER, ("local/ocr", "acme/speech"), replies=False)
    rights, rules = rabbitmq.permissions(duties, namespace="hares"), redis.permissions(duties, namespace="hares")
    assert rules is not None
    grant = ["rabbitmqctl", "set_permissions", "--vhost", "my/host", "gpu", rights.configure, rights.write, rights.read]
    assert grant == shlex.split(found["rabbitmq"][1])
    assert [f"ACL SETUSER gpu reset on >PASSWORD {' '.join(rules.rules())}"] == found["redis"]
    assert "secret" not in str(found)


def test_a_worker_behind_a_gateway_needs_no_user_in_redis(tmp_path: Path) -> None:
    assert [] == printed(tmp_path, "worker", store_url="https://gateway.internal")["redis"]
