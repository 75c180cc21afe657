"""What an expression in PromQL names: parsed as Prometheus parses it."""

from __future__ import annotations

from collections.abc import Iterator

import promql_parser as promql
from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from leveret.core.meters import Phase, Reading, Told
from leveret.observe.metrics import LEVELS, Metrics

OF_PROMETHEUS = frozenset({"instance", "job"})
"""Labels that it adds to everything that it scrapes."""


class Named(Struct, frozen=True):
    """A metric that an expression reads, and the values of labels that it chooses."""

    metric: str
    chosen: dict[str, str]


class Read(Struct, frozen=True):
    """What an expression reads, and the labels by which it groups or matches."""

    named: list[Named]
    labels: set[str]


def read(expression: str) -> Read:
    """Raises ValueError if Prometheus would not take it. Variables of Grafana are taken for what they stand for."""
    plain = expression.replace("$__rate_interval", "5m").replace("$model", ".*")
    named: list[Named] = []
    labels: set[str] = set()

    def visit(node: promql.Expr) -> bool:
        match node:
            case promql.VectorSelector():
                chosen = {matcher.name: matcher.value for matcher in node.matchers.matchers}
                named.append(Named(node.name or "", chosen))
                labels.update(chosen)
            case promql.AggregateExpr() if node.modifier is not None:
                labels.update(node.modifier.labels)
            case promql.BinaryExpr() if node.modifier is not None and node.modifier.matching is not None:
                labels.update(node.modifier.matching.labels)
        return True

    promql.walk(promql.parse(plain), visit)
    return Read(named, labels)


def known() -> dict[str, set[str]]:
    """Every series that a process can show, with its labels."""
    metrics = Metrics()
    metrics.request("/v1", 200, 0.1)
    metrics.refused("internal")
    metrics.phase("local/echo", Phase.RUN, 0.1)
    metrics.batch("local/echo", 2)
    metrics.ended("local/echo", "succeeded")
    metrics.rerun("local/echo")
    metrics.told(Told.DELIVERED)
    metrics.connected("store")
    readings = [Reading(name, tuple("x" for _ in level.labels), 1.0) for name, level in LEVELS.items()]
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.text(readings).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def values(expressions: list[str], label: str) -> Iterator[str]:
    """What is chosen of this label."""
    for expression in expressions:
        for named in read(expression).named:
            if label in named.chosen:
                yield named.chosen[label]
