"""The metrics, in the text format of Prometheus."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from leveret.core.meters import Phase, Reading, Told
from leveret.observe.metrics import LEVELS, Metrics

PAGE = Path(__file__).parent.parent.parent / "docs" / "metrics.md"

Labels: TypeAlias = frozenset[tuple[str, str]]


def samples(text: bytes) -> Mapping[tuple[str, Labels], float]:
    families = text_string_to_metric_families(text.decode())
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def everything() -> Metrics:
    """Each metric of a process, used once."""
    metrics = Metrics()
    metrics.request("/v1/predictions", 201, 0.0015)
    metrics.refused("unavailable")
    metrics.phase("local/echo", Phase.RUN, 0.2)
    metrics.batch("local/echo", 3)
    metrics.ended("local/echo", "succeeded")
    metrics.rerun("local/echo")
    metrics.told(Told.GIVEN_UP)
    metrics.connected("store")
    return metrics


def levels() -> Iterable[Reading]:
    return [Reading(name, tuple("x" for _ in level.labels), 2.0) for name, level in LEVELS.items()]


def test_what_is_counted_is_shown() -> None:
    metrics = everything()
    metrics.ended("local/echo", "succeeded")

    found = samples(metrics.text(()))

    echo = ("model", "local/echo")
    assert 2 == found["leveret_predictions_ended_total", frozenset({echo, ("status", "succeeded")})]
    assert 1 == found["leveret_webhook_calls_total", frozenset({("result", "given up")})]
    assert 0.2 == found["leveret_phase_seconds_sum", frozenset({echo, ("phase", "run")})]
    assert 0 == found["leveret_batch_size_bucket", frozenset({echo, ("le", "2.0")})]
    assert 1 == found["leveret_batch_size_bucket", frozenset({echo, ("le", "4.0")})]


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    metrics = Metrics()

    metrics.phase("local/echo", Phase.QUEUED, -3.0)

    labels = frozenset({("model", "local/echo"), ("phase", "queued")})
    assert 0 == samples(metrics.text(()))["leveret_phase_seconds_sum", labels]


def test_what_is_read_off_is_as_it_is_now() -> None:
    metrics, depth = Metrics(), [3.0]
    metrics.watch(lambda: [Reading("leveret_queue_depth", ("local/echo", "0"), depth[0])])
    metrics.text([Reading("leveret_outbox", (), 7.0)])
    depth[0] = 4.0

    found = samples(metrics.text([Reading("leveret_outbox", (), 5.0)]))

    assert 4 == found["leveret_queue_depth", frozenset({("model", "local/echo"), ("lane", "0")})]
    assert 5 == found["leveret_outbox", frozenset()]


def test_names_of_models_cannot_break_the_format() -> None:
    metrics = Metrics()
    metrics.refused('a"b\nleveret_ready 7\\')

    found = samples(metrics.text(()))

    assert 1 == found["leveret_problems_total", frozenset({("code", 'a"b\nleveret_ready 7\\')})]
    assert ("leveret_ready", frozenset()) not in found


def test_the_documentation_has_a_row_for_every_metric_with_its_type_and_labels() -> None:
    text = everything().text(levels()).decode()
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    labels: dict[str, set[str]] = {name: set() for name in types}
    for name, found in samples(text.encode()):
        family = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
        labels[family] |= {label for label, _ in found} - {"le"}

    rows = re.findall(r"^\| `(leveret_\w+)` \| (\w+) \| (.*?) \|", PAGE.read_text(), re.MULTILINE)

    documented = {name: (kind, set(re.findall(r"`(\w+)`", named))) for name, kind, named in rows}
    assert {name: (kind, labels[name]) for name, kind in types.items()} == documented
