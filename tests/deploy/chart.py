"""The chart, rendered by Helm's own engine without a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from helm_python import Chart, lint

from tests.deploy.builder import ROOT
from tests.deploy.documents import Mapped, at, mapped, parse

CHART: Final = ROOT / "deploy" / "helm" / "leveret"
SMALL: Final = CHART / "examples" / "small.yaml"
LARGE: Final = CHART / "examples" / "large.yaml"


def rendered(values: Mapping[str, object], *, name: str = "demo", namespace: str = "models") -> list[Mapped]:
    """Every object that a release with these values has. Raises HelmError."""
    with Chart.load(CHART) as chart:
        chart.validate_schema(dict(values))
        files = chart.render(dict(values), name=name, namespace=namespace)
    return [document for path, text in sorted(files.items()) if path.endswith(".yaml") for document in parse(text)]


def complaints(values: Mapping[str, object]) -> list[str]:
    """What `helm lint` says against the chart with these values."""
    result = lint(str(CHART), dict(values))
    return [str(message) for message in result["messages"] if "icon is recommended" not in str(message)]


def of_kind(objects: list[Mapped], kind: str) -> Iterator[Mapped]:
    """Those of this kind."""
    return (one for one in objects if one["kind"] == kind)


def component(objects: list[Mapped], kind: str, name: str) -> Mapped:
    """The one of this kind whose name ends so."""
    (found,) = [one for one in of_kind(objects, kind) if str(at(one, "metadata.name")).endswith(name)]
    return found


def pod(deployment: Mapped) -> Mapped:
    """The spec of its pods."""
    return mapped(at(deployment, "spec.template.spec"))


def container(deployment: Mapped) -> Mapped:
    """The container of its pods."""
    return mapped(at(pod(deployment), "containers.0"))


def environment(deployment: Mapped) -> dict[str, str]:
    """The variables of its container that have a value here."""
    entries = at(container(deployment), "env")
    assert isinstance(entries, list)
    return {str(at(entry, "name")): str(at(entry, "value")) for entry in entries if at(entry, "value") is not None}
