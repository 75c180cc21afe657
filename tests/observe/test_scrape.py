"""What a process shows is read again as what it was."""

from __future__ import annotations

import pytest

from leveret.core.meters import Phase, Reading
from leveret.observe.metrics import Metrics
from leveret.observe.scrape import Scrape


def scrape(metrics: Metrics, *readings: Reading) -> Scrape:
    return Scrape.of(metrics.text(readings).decode())


def test_series_are_summed_over_the_labels_that_are_not_named() -> None:
    depths = [Reading("leveret_queue_depth", ("a/b", lane), count) for lane, count in (("0", 2), ("1", 3))]
    found = scrape(Metrics(), *depths, Reading("leveret_queue_depth", ("c/d", "0"), 7))

    assert 12 == found.total("leveret_queue_depth")
    assert 5 == found.total("leveret_queue_depth", model="a/b")
    assert found.total("leveret_queue_depth", model="e/f") is None


def test_a_quantile_lies_where_its_bucket_is() -> None:
    metrics = Metrics()
    for _ in range(90):
        metrics.phase("a/b", Phase.RUN, 0.04)
    for _ in range(10):
        metrics.phase("a/b", Phase.RUN, 4.0)
    found = scrape(metrics)

    assert 0.025 < (found.quantile(0.5, "leveret_phase_seconds", model="a/b") or 0) <= 0.05
    assert 2.5 < (found.quantile(0.95, "leveret_phase_seconds", model="a/b") or 0) <= 5
    assert found.quantile(0.5, "leveret_phase_seconds", model="c/d") is None


def test_only_what_came_since_the_scrape_before_counts() -> None:
    metrics = Metrics()
    metrics.phase("a/b", Phase.RUN, 100.0)
    metrics.refused("internal")
    before = scrape(metrics)
    metrics.phase("a/b", Phase.RUN, 0.04)
    metrics.refused("internal")
    metrics.refused("overloaded")
    now = scrape(metrics)

    assert 2 == now.grown(before, "leveret_problems_total")
    assert (now.quantile(0.95, "leveret_phase_seconds", before=before) or 9) <= 0.05
    assert now.quantile(0.95, "leveret_phase_seconds", before=now) is None


def test_a_process_that_was_started_again_counts_from_the_beginning() -> None:
    old, fresh = Metrics(), Metrics()
    for _ in range(5):
        old.refused("internal")
        old.phase("a/b", Phase.RUN, 100.0)
    fresh.refused("internal")
    fresh.phase("a/b", Phase.RUN, 0.04)

    assert 1 == scrape(fresh).grown(scrape(old), "leveret_problems_total")
    assert (scrape(fresh).quantile(0.95, "leveret_phase_seconds", before=scrape(old)) or 9) <= 0.05


def test_beyond_the_last_bound_it_is_that_bound() -> None:
    metrics = Metrics()
    metrics.phase("a/b", Phase.RUN, 10_000)

    assert 1800 == pytest.approx(scrape(metrics).quantile(0.95, "leveret_phase_seconds"))
