"""The report: the medians as tables, the ratios that matter, and the same as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.contest import CONTESTANTS
from benchmarks.measurement import CONNECTIONS, COUNT, Measurement

ROLES = ("gateway", "worker", "model", "rabbitmq", "redis", "load")
RATIOS = (
    ("leveret / celery, end to end", "leveret", "celery"),
    ("leveret / taskiq, end to end", "leveret", "taskiq"),
    ("leveret / bare, end to end", "leveret", "bare"),
    ("embedded / leveret, end to end", "embedded", "leveret"),
)

QUIET = 0.1
"""The share of the machine that may go to anything else before the figures are called into doubt."""


def ratios(medians: Mapping[str, Measurement]) -> dict[str, float]:
    """The ratios between those contestants that were measured."""
    found = {
        title: medians[one].rate / medians[other].rate
        for title, one, other in RATIOS
        if one in medians and other in medians
    }
    if "leveret" in medians and "bare" in medians:
        found["leveret / bare, idle p50"] = medians["leveret"].idle_p50 / medians["bare"].idle_p50
    return found


def show(medians: Mapping[str, Measurement], rounds: Mapping[str, Sequence[Measurement]], console: Console) -> None:
    """Print the tables."""
    titles = {contestant.name: contestant.title for contestant in CONTESTANTS}
    speed = Table(title=f"{COUNT} predictions of a model that does nothing, over {CONNECTIONS} connections")
    for column in ("", "submit/s", "p50 ms", "p95 ms", "end to end/s", "(rounds)", "idle p50 ms", "idle p95 ms"):
        speed.add_column(column, justify="right" if column else "left")
    cost = Table(title="CPU per prediction in µs, end to end")
    for column in ("", *ROLES, "all", "other", "requests"):
        cost.add_column(column, justify="right" if column else "left")
    for name, median in medians.items():
        rates = " ".join(f"{one.rate:.0f}" for one in rounds[name])
        figures = (median.submit_rate, median.submit_p50, median.submit_p95, median.rate)
        idle = (f"{median.idle_p50:.2f}", f"{median.idle_p95:.2f}")
        speed.add_row(titles[name], *(f"{figure:.0f}" for figure in figures), rates, *idle)
        spent = [f"{median.cpu[role]:.0f}" if role in median.cpu else "" for role in ROLES]
        own = sum(used for role, used in median.cpu.items() if role != "other")
        cost.add_row(titles[name], *spent, f"{own:.0f}", f"{median.cpu['other']:.0f}", f"{median.requests:.1f}")
    console.print(speed, cost)
    for name, median in medians.items():
        if _foreign(median) > QUIET:
            console.print(f"{titles[name]}: something else took {_foreign(median):.0%} of the machine; run it again")
    for title, ratio in ratios(medians).items():
        console.print(f"{title:<34}{ratio:8.2f}", highlight=False)


def _foreign(median: Measurement) -> float:
    """The share of the machine's CPU time that went to none of the processes measured."""
    return median.cpu["other"] * median.rate / 1e6 / (os.cpu_count() or 1)
