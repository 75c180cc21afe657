"""The task definitions are what the API of ECS takes, and mean what their page says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import botocore.session
import pytest
from botocore.validate import ParamValidator

from leveret.config import WorkerSettings, load, options
from tests.deploy.builder import ROOT
from tests.deploy.documents import Mapped, at, listed, mapped

FOLDER: Final = ROOT / "deploy" / "ecs"
FILES: Final = sorted(FOLDER.glob("*.json"))
LONGEST_ON_FARGATE: Final = 120

each = pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])


def task(path: Path) -> Mapped:
    content: Mapped = json.loads(path.read_text())
    return content


def container(path: Path) -> Mapped:
    (only,) = listed(task(path)["containerDefinitions"])
    return mapped(only)


def environment(path: Path) -> dict[str, str]:
    return {str(at(entry, "name")): str(at(entry, "value")) for entry in listed(container(path)["environment"])}


@pytest.mark.slow
@each
def test_ecs_takes_it(path: Path) -> None:
    service = botocore.session.Session().get_service_model("ecs")
    shape = service.operation_model("RegisterTaskDefinition").input_shape
    assert shape is not None

    report = ParamValidator().validate(task(path), shape)

    assert not report.has_errors(), report.generate_report()


@each
def test_it_has_longer_to_stop_than_its_grace_and_no_longer_than_there_is(path: Path) -> None:
    stop = container(path)["stopTimeout"]
    assert isinstance(stop, int)

    if path.stem != "gateway":
        assert stop >= float(environment(path)["LEVERET_WORKER_GRACE"]) + 2 * WorkerSettings().cancel_grace
    if task(path)["requiresCompatibilities"] == ["FARGATE"]:
        assert stop <= LONGEST_ON_FARGATE


@each
def test_it_is_replaced_when_it_does_not_live_and_not_when_the_broker_is_away(path: Path) -> None:
    assert ["CMD", "healthy"] == at(container(path), "healthCheck.command")


@each
def test_secrets_come_from_the_secrets_manager(path: Path) -> None:
    secrets = {str(at(one, "name")): str(at(one, "valueFrom")) for one in listed(container(path)["secrets"])}

    assert {"LEVERET_BROKER_URL", "LEVERET_STORE_URL"} == secrets.keys()
    assert all(value.startswith("arn:aws:secretsmanager:") for value in secrets.values())
    assert not secrets.keys() & environment(path).keys()


@each
def test_it_may_nothing_that_it_needs_not(path: Path) -> None:
    assert "10001:10001" == container(path)["user"]
    assert container(path)["readonlyRootFilesystem"] is True
    assert ["ALL"] == at(container(path), "linuxParameters.capabilities.drop")
    assert {"/data"} == {at(mount, "containerPath") for mount in listed(container(path)["mountPoints"])}
    assert "/data" == environment(path)["TMPDIR"]


@each
def test_its_logs_are_kept_and_never_stop_it(path: Path) -> None:
    assert ("awslogs", "non-blocking") == (
        at(container(path), "logConfiguration.logDriver"),
        at(container(path), "logConfiguration.options.mode"),
    )


@each
def test_what_is_set_is_an_option_with_a_value_that_it_can_have(path: Path) -> None:
    given = {name: value for name, value in environment(path).items() if name.startswith("LEVERET_")}

    load(environment=given, flags={})

    assert given.keys() <= {option.variable for option in options()}
