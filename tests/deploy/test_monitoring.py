"""The dashboard and the alerts read metrics that there are, and say what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

import pytest
import yaml
from msgspec import Struct, convert

from leveret.core.meters import Phase, Told
from leveret.core.prediction import Status
from leveret.errors import LeveretError
from tests.deploy.builder import ROOT
from tests.deploy.expressions import OF_PROMETHEUS, known, read, values
from tests.docs.snippets import anchors

OPERATE: Final = ROOT / "docs" / "operate.md"
DURATION: Final = re.compile(r"\d+(s|m|h|d)")
SHOWN: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
TOLD: Final = re.compile(r"\{\{ \$(labels\.(\w+)|value( \| humanize\w*)?) \}\}|[^{}]+")


class Alert(Struct, frozen=True, forbid_unknown_fields=True):
    """As Prometheus reads it; what it does not know it refuses."""

    alert: str
    expr: str
    labels: dict[str, str]
    annotations: dict[str, str]
    for_: str = "0s"


class Target(Struct, frozen=True, rename="camel"):
    """A query of a panel."""

    expr: str
    legend_format: str
    ref_id: str


class Panel(Struct, frozen=True, rename={"grid_position": "gridPos"}):
    """A panel, or the title of a row."""

    id: int
    type: str
    title: str
    grid_position: dict[str, int]
    description: str = ""
    targets: list[Target] = []


def alerts() -> list[Alert]:
    text = (ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text()
    (group,) = yaml.safe_load(text)["groups"]
    rules = [{("for_" if name == "for" else name): value for name, value in rule.items()} for rule in group["rules"]]
    return convert(rules, list[Alert])


def panels() -> list[Panel]:
    shown = json.loads((ROOT / "deploy" / "grafana" / "leveret.json").read_text())["panels"]
    return convert(shown, list[Panel])


def expressions() -> list[str]:
    queries = [target.expr for panel in panels() for target in panel.targets]
    return [*(alert.expr for alert in alerts()), *queries]


def codes(kind: type[LeveretError] = LeveretError) -> Iterator[str]:
    yield kind.code
    for narrower in kind.__subclasses__():
        yield from codes(narrower)


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_reads_metrics_that_there_are_by_labels_that_they_have(expression: str) -> None:
    series = known()
    found = read(expression)
    names = {named.metric for named in found.named}

    assert names
    assert set() == names - set(series)
    assert set() == found.labels - set().union(*(series[name] for name in names)) - OF_PROMETHEUS


def test_what_is_chosen_of_a_label_can_be_its_value() -> None:
    known_codes = set(codes())

    assert set(values(expressions(), "phase")) <= set(Phase)
    assert set(values(expressions(), "status")) <= set(Status)
    assert set(values(expressions(), "result")) <= set(Told)
    for chosen in values(expressions(), "code"):
        for pattern in chosen.split("|"):
            assert any(re.fullmatch(pattern, code) for code in known_codes), pattern


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.alert)
def test_an_alert_is_described_where_it_says(alert: Alert) -> None:
    page, _, anchor = alert.annotations["runbook"].partition("#")

    assert OPERATE == ROOT / page
    assert alert.alert.lower() == anchor
    assert anchor in anchors(OPERATE)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.alert)
def test_an_alert_tells_what_its_expression_has(alert: Alert) -> None:
    told = alert.annotations["summary"] + alert.annotations["description"]
    parts = list(TOLD.finditer(told))

    assert {"summary", "description", "runbook"} == set(alert.annotations)
    assert alert.labels["severity"] in {"critical", "warning"}
    assert DURATION.fullmatch(alert.for_)
    assert told == "".join(part[0] for part in parts)
    assert {part[2] for part in parts if part[2]} <= read(alert.expr).labels | OF_PROMETHEUS


def test_every_alert_that_is_described_is_there() -> None:
    headings = re.findall(r"^### (Leveret\w+)$", OPERATE.read_text(), re.MULTILINE)

    assert [alert.alert for alert in alerts()] == headings


def test_a_legend_names_labels_that_the_query_has() -> None:
    series = known()
    for panel in panels():
        for target in panel.targets:
            found = read(target.expr)
            has = found.labels.union(*(series[named.metric] for named in found.named)) | OF_PROMETHEUS

            assert set(SHOWN.findall(target.legend_format)) <= has, panel.title


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel.grid_position
        cells = {
            (column, line)
            for column in range(place["x"], place["x"] + place["w"])
            for line in range(place["y"], place["y"] + place["h"])
        }

        assert not cells & taken, panel.title
        assert place["x"] + place["w"] <= 24, panel.title
        assert panel.type == "row" or panel.description, panel.title
        taken |= cells
    assert len(panels()) == len({panel.id for panel in panels()})


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {named.metric for panel in panels() for target in panel.targets for named in read(target.expr).named}
    families = {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in known() if not name.endswith("_created")}

    assert families == {re.sub(r"_(bucket|sum|count|total)$", "", name) for name in shown}
