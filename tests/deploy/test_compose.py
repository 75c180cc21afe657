"""compose.yaml fits the schema of the Compose specification, and keeps what its page promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from leveret.config import WorkerSettings, options
from tests.deploy.builder import ROOT
from tests.deploy.documents import Mapped, at, listed, load, mapped

FILE: Final = ROOT / "compose.yaml"
OURS: Final = ("gateway", "worker")
SERVICES: Final = (*OURS, "rabbitmq", "redis")


@pytest.fixture(scope="module")
def services() -> dict[str, Mapped]:
    return {name: mapped(service) for name, service in mapped(load(FILE)["services"]).items()}


@pytest.mark.slow
def test_it_fits_the_specification() -> None:
    line = [
        str(Path(sys.executable).with_name("check-jsonschema")),
        "--builtin-schema",
        "vendor.compose-spec",
        str(FILE),
    ]

    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    assert 0 == done.returncode, done.stdout


def test_every_secret_must_be_given_and_the_example_gives_none() -> None:
    example = (ROOT / ".env.example").read_text()
    secrets = set(re.findall(r"\$\{(\w*PASSWORD)", FILE.read_text()))

    assert {"RABBITMQ_PASSWORD", "REDIS_PASSWORD"} == secrets
    for name in secrets:
        assert not re.search(rf"\$\{{{name}(?!:\?)", FILE.read_text())
        assert re.search(rf"^{name}=$", example, re.MULTILINE)


def test_every_variable_is_in_the_example_or_has_a_default() -> None:
    example = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    used = dict(re.findall(r"(?<!\$)\$\{(\w+)(:-|:\?)?", FILE.read_text()))

    assert example <= used.keys()
    assert all(name in example or default == ":-" for name, default in used.items())


def test_ours_are_no_root_and_cannot_write_their_files(services: dict[str, Mapped]) -> None:
    for name in OURS:
        assert ("10001:10001", True) == (services[name]["user"], services[name]["read_only"])


def test_nobody_may_become_more_than_he_is(services: dict[str, Mapped]) -> None:
    assert set(SERVICES) == services.keys()
    for service in services.values():
        assert ["ALL"] == service["cap_drop"]
        assert ["no-new-privileges:true"] == service["security_opt"]
        assert service["user"] not in (None, "root", "0")


def test_each_begins_when_what_it_needs_is_healthy(services: dict[str, Mapped]) -> None:
    for service in services.values():
        assert at(service, "healthcheck.test")
    for name in OURS:
        for needed in ("rabbitmq", "redis"):
            assert "service_healthy" == at(services[name], f"depends_on.{needed}.condition")


def test_broker_and_store_are_reached_from_this_machine_at_most_and_keep_what_they_have(
    services: dict[str, Mapped],
) -> None:
    for name in ("rabbitmq", "redis"):
        assert all(str(port).startswith("127.0.0.1:") for port in listed(services[name].get("ports")))
        assert 1 == len(listed(services[name]["volumes"]))
    command = str(services["redis"]["command"])
    assert "--appendonly yes --appendfsync always" in command
    assert "--maxmemory-policy noeviction" in command


def test_a_worker_has_longer_to_stop_than_its_grace(services: dict[str, Mapped]) -> None:
    grace = float(str(at(services["worker"], "environment.LEVERET_WORKER_GRACE")))
    period = float(str(services["worker"]["stop_grace_period"]).removesuffix("s"))

    assert WorkerSettings().grace == grace
    assert period >= grace + 10


def test_workers_can_be_many(services: dict[str, Mapped]) -> None:
    assert not {"container_name", "ports", "hostname"} & services["worker"].keys()


def test_what_is_set_is_an_option(services: dict[str, Mapped]) -> None:
    known = {option.variable for option in options()}
    for name in OURS:
        assert mapped(services[name]["environment"]).keys() <= known
