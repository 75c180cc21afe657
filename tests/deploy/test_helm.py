"""The chart is rendered by Helm's engine, fits what Kubernetes and KEDA take, and means what its page says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import jsonschema_rs
import pytest
import yaml
from helm_python import HelmError

from leveret.config import WorkerSettings, options
from leveret.config import load as settings
from leveret.gateway.admin.operations import OPERATIONS
from leveret.gateway.admin.scale import ScaleView
from tests.deploy.chart import (
    CHART,
    LARGE,
    SMALL,
    complaints,
    component,
    container,
    environment,
    of_kind,
    pod,
    rendered,
)
from tests.deploy.documents import Mapped, at, listed, load, mapped

pytestmark = pytest.mark.slow

KUBERNETES: Final = ("1.27", "1.37")
"""The oldest that the chart takes, and the newest whose schemas there are."""

NO_NETWORK: Final = {"secret": {"name": "leveret"}, "network": {"enabled": False}, "gateway": {"replicas": 1}}
VALUES: Final[Mapping[str, Mapping[str, object]]] = {
    "small": load(SMALL),
    "large": load(LARGE),
    "without models": {"secret": {"name": "leveret"}},
    "without policies": NO_NETWORK,
}


def case(name: str) -> list[Mapped]:
    return rendered(VALUES[name])


def deployments(objects: list[Mapped]) -> list[Mapped]:
    return list(of_kind(objects, "Deployment"))


def workers(objects: list[Mapped]) -> list[Mapped]:
    return [one for one in deployments(objects) if labels(one)["app.kubernetes.io/component"] == "worker"]


def labels(deployment: Mapped) -> Mapped:
    return mapped(at(deployment, "spec.template.metadata.labels"))


def number(node: object) -> float:
    assert isinstance(node, int | float)
    return node


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", VALUES)
def test_every_object_fits_the_schemas_of_kubernetes(name: str, version: str, tmp_path: Path) -> None:
    own = [one for one in case(name) if not str(one["apiVersion"]).startswith("keda.sh/")]
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(own))
    line = [str(Path(sys.executable).with_name("kubernetes-validate")), "-k", version, "--strict", str(file)]

    done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert {"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget"} <= {one["kind"] for one in own}


def test_what_keda_gets_is_what_it_takes() -> None:
    schema = jsonschema_rs.validator_for((Path(__file__).parent / "keda.schema.json").read_text())
    found = [one for one in case("large") if one["apiVersion"] == "keda.sh/v1alpha1"]

    for one in found:
        schema.validate(one)
    assert ["ScaledObject", "ScaledObject", "TriggerAuthentication"] == sorted(str(one["kind"]) for one in found)


@pytest.mark.parametrize("name", VALUES)
def test_helm_has_nothing_to_complain_of(name: str) -> None:
    assert [] == complaints(VALUES[name])


@pytest.mark.parametrize("name", VALUES)
def test_no_two_objects_are_called_the_same_and_no_name_is_too_long(name: str) -> None:
    called = [(one["kind"], str(at(one, "metadata.name"))) for one in case(name)]

    assert len(called) == len(set(called))
    assert all(len(one) <= 63 for _, one in called)


def test_names_that_look_alike_are_told_apart_and_long_ones_fit() -> None:
    names = ["acme/a.b", "acme/a_b", "acme/a-b", f"{'o' * 63}/{'n' * 63}", f"{'o' * 63}/{'n' * 62}"]
    values = {"secret": {"name": "s"}, "models": [{"name": one, "target": "app.py"} for one in names]}

    found = {str(at(one, "metadata.name")) for one in workers(rendered(values, name="r" * 53))}

    assert len(names) == len(found)
    assert all(len(one) <= 63 for one in found)


@pytest.mark.parametrize("name", VALUES)
def test_every_selector_selects_the_pods_that_it_is_for(name: str) -> None:
    objects = case(name)
    pods = [labels(one) for one in deployments(objects)]

    def selected(by: Mapped) -> list[Mapped]:
        return [one for one in pods if by.items() <= one.items()]

    for one in deployments(objects):
        assert [labels(one)] == selected(mapped(at(one, "spec.selector.matchLabels")))
    for one in of_kind(objects, "PodDisruptionBudget"):
        assert 1 == len(selected(mapped(at(one, "spec.selector.matchLabels"))))
    for one in of_kind(objects, "Service"):
        (only,) = selected(mapped(at(one, "spec.selector")))
        assert "gateway" == only["app.kubernetes.io/component"]
    closed = [selected(mapped(at(one, "spec.podSelector.matchLabels"))) for one in of_kind(objects, "NetworkPolicy")]
    assert sum(map(len, closed)) == (0 if name == "without policies" else len(pods))


@pytest.mark.parametrize("name", ["small", "large"])
def test_a_worker_has_longer_to_stop_than_its_grace_and_what_follows(name: str) -> None:
    for one in workers(case(name)):
        given = environment(one)
        grace, cancel = float(given["LEVERET_WORKER_GRACE"]), WorkerSettings().cancel_grace
        assert number(pod(one)["terminationGracePeriodSeconds"]) > grace + 2 * cancel
        assert number(at(one, "spec.progressDeadlineSeconds")) > float(given["LEVERET_WORKER_SETUP_TIMEOUT"])


def test_a_gateway_goes_on_until_nobody_is_sent_to_it() -> None:
    gateway = component(case("small"), "Deployment", "-gateway")

    pause = listed(at(container(gateway), "lifecycle.preStop.exec.command"))

    assert ["sleep", "5"] == pause
    assert number(pod(gateway)["terminationGracePeriodSeconds"]) >= 5 + 30


@pytest.mark.parametrize("name", VALUES)
def test_pods_are_asked_whether_they_live_and_whether_they_are_ready(name: str) -> None:
    for one in deployments(case(name)):
        ports = {at(port, "name") for port in listed(container(one)["ports"])}
        asked = {
            probe: (at(container(one), f"{probe}.httpGet.path"), at(container(one), f"{probe}.httpGet.port"))
            for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        }
        assert {"/health/live", "/health/ready"} == {path for path, _ in asked.values()}
        assert "/health/ready" == asked["readinessProbe"][0]
        assert {port for _, port in asked.values()} <= ports


@pytest.mark.parametrize("name", VALUES)
def test_pods_may_nothing_that_they_need_not(name: str) -> None:
    for one in deployments(case(name)):
        assert pod(one)["automountServiceAccountToken"] is False
        assert at(pod(one), "securityContext.runAsNonRoot") is True
        assert "RuntimeDefault" == at(pod(one), "securityContext.seccompProfile.type")
        secured = mapped(container(one)["securityContext"])
        assert secured["readOnlyRootFilesystem"] is True
        assert secured["allowPrivilegeEscalation"] is False
        assert ["ALL"] == at(secured, "capabilities.drop")
    (account,) = of_kind(case(name), "ServiceAccount")
    assert account["automountServiceAccountToken"] is False


def test_no_password_is_in_the_chart() -> None:
    for one in deployments(case("large")):
        entries = {str(at(entry, "name")): entry for entry in listed(container(one)["env"])}
        for name, key in (("LEVERET_BROKER_URL", "broker-url"), ("LEVERET_STORE_URL", "store-url")):
            assert {"name": "leveret", "key": key} == at(entries[name], "valueFrom.secretKeyRef")
    assert [] == list(of_kind(case("large"), "Secret"))


@pytest.mark.parametrize("name", ["small", "large"])
def test_workers_are_reached_by_nobody_but_who_reads_their_metrics(name: str) -> None:
    policy = mapped(component(case(name), "NetworkPolicy", "-worker")["spec"])
    monitoring: dict[str, object] = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}

    assert ["Ingress", "Egress"] == policy["policyTypes"]
    if name == "small":
        assert [] == policy["ingress"]
    else:
        (rule,) = listed(policy["ingress"])
        assert [{"port": 8001, "protocol": "TCP"}] == at(rule, "ports")
        assert [{"namespaceSelector": monitoring}] == at(rule, "from")


def test_workers_reach_dns_broker_and_store_and_nothing_else() -> None:
    rules = listed(at(component(case("small"), "NetworkPolicy", "-worker"), "spec.egress"))

    ports = [[at(port, "port") for port in listed(at(rule, "ports"))] for rule in rules]

    assert [[53, 53], [5671, 5672], [6379]] == ports


def test_webhooks_reach_the_internet_but_no_private_network() -> None:
    rules = listed(at(component(case("large"), "NetworkPolicy", "-gateway"), "spec.egress"))
    (to,) = [listed(at(rule, "to")) for rule in rules if at(rule, "ports.0.port") == 443]

    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(map(str, listed(at(to, "0.ipBlock.except"))))


def test_a_model_is_scaled_by_what_the_gateway_says_down_to_none() -> None:
    objects = case("large")
    (service,) = of_kind(objects, "Service")
    (key,) = of_kind(objects, "TriggerAuthentication")
    scaled = {str(at(one, "spec.scaleTargetRef.name")): one for one in of_kind(objects, "ScaledObject")}
    by_name = {str(at(one, "metadata.name")): one for one in workers(objects)}

    assert by_name.keys() == scaled.keys()
    for name, one in scaled.items():
        model = mapped(at(by_name[name], "metadata.annotations"))["leveret/model"]
        trigger = mapped(at(one, "spec.triggers.0"))
        host = f"http://{at(service, 'metadata.name')}.models.svc:8000"
        path = f"/admin/v1/models/{model}/scale"
        assert str(at(trigger, "metadata.url")).startswith(f"{host}{path}?target_wait=")
        assert ("metrics-api", "AverageValue") == (trigger["type"], trigger["metricType"])
        assert ("desired", "1", "bearer") == tuple(
            at(trigger, f"metadata.{part}") for part in ("valueLocation", "targetValue", "authMode")
        )
        assert at(key, "metadata.name") == at(trigger, "authenticationRef.name")
        assert "replicas" not in mapped(by_name[name]["spec"])  # an upgrade would set it back
    assert "token" == at(key, "spec.secretTargetRef.0.parameter")
    assert 0 == min(number(at(one, "spec.minReplicaCount")) for one in scaled.values())


def test_a_model_may_have_a_gpu() -> None:
    one = component(case("large"), "Deployment", "-acme-textgen-2bc7e1")

    assert 1 == mapped(at(container(one), "resources.limits"))["nvidia.com/gpu"]
    assert "nvidia" == pod(one)["runtimeClassName"]
    assert {"maxSurge": 0, "maxUnavailable": 1} == at(one, "spec.strategy.rollingUpdate")


@pytest.mark.parametrize("name", VALUES)
def test_what_is_set_is_an_option_with_a_value_that_it_can_have(name: str) -> None:
    known = {option.variable for option in options()}
    for one in deployments(case(name)):
        given = {name: value for name, value in environment(one).items() if name.startswith("LEVERET_")}
        assert given.keys() <= known
        settings(environment=given, flags={})


def test_large_numbers_stay_whole() -> None:
    values = {"secret": {"name": "s"}, "env": {"LEVERET_GATEWAY_MAX_BODY": 1_073_741_824}}

    assert "1073741824" == environment(deployments(rendered(values))[0])["LEVERET_GATEWAY_MAX_BODY"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "secret.name"),
        ({"secret": {"name": "s"}, "keda": {"enabled": True}}, "keda.secret.name"),
        ({"secret": {"name": "s"}, "gateway": {"ingress": {"enabled": True}}}, "gateway.ingress.host"),
        ({"secret": {"name": "s"}, "models": [{"name": "Ocr", "target": "ocr.py"}]}, "name"),
        ({"secret": {"name": "s"}, "models": [{"name": "acme/ocr"}]}, "target"),
        ({"secret": {"name": "s"}, "modles": []}, "modles"),
        ({"secret": {"name": "s"}, "env": {"LEVERET_STORE_URL": "redis://:secret@redis"}}, "LEVERET_STORE_URL"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(values: Mapping[str, object], named: str) -> None:
    with pytest.raises(HelmError, match=named):
        rendered(values)


def test_the_chart_is_of_this_release() -> None:
    chart = load(CHART / "Chart.yaml")
    release = (CHART.parent.parent.parent / "pyproject.toml").read_text()

    assert f'version = "{chart["appVersion"]}"' in release


def test_keda_is_sent_to_an_endpoint_that_there_is_and_reads_what_it_answers() -> None:
    (first, *_) = of_kind(case("large"), "ScaledObject")
    trigger = at(first, "spec.triggers.0.metadata")
    path = str(at(trigger, "url")).partition(".svc:8000")[2].partition("?")[0]

    assert re.sub("models/[^/]+/[^/]+/", "models/{owner}/{name}/", path) in {one.path for one in OPERATIONS}
    assert at(trigger, "valueLocation") in ScaleView.__struct_fields__
