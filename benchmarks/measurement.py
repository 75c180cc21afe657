"""A measurement: the phases that a contestant goes through, and what they cost."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Literal, Self

import msgspec
import psutil
from msgspec import Struct

from benchmarks.contest import ROOT, Contest
from benchmarks.load import Phase, Tally

COUNT: Final = 3000
WARM_UP: Final = 300
CONNECTIONS: Final = 64
IDLE_COUNT: Final = 200
IDLE_POLL: Final = 0.001


class Measurement(Struct, frozen=True, kw_only=True):
    """One contestant in one round: rates per second, times in milliseconds, CPU in microseconds per prediction.

    The role `other` is what the machine did besides: the kernel's network, and whatever else is running.
    """

    submit_rate: float
    submit_p50: float
    submit_p95: float
    rate: float
    idle_p50: float
    idle_p95: float
    requests: float
    cpu: dict[str, float]


class LoadGenerator:
    """The generator's process: `with LoadGenerator() as generator`."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def run(
        self,
        contest: Contest,
        kind: Literal["submit", "collect", "predict"],
        *,
        count: int = COUNT,
        connections: int = CONNECTIONS,
        poll: float = 0.01,
    ) -> Tally:
        """Let the visitors come. Raises RuntimeError when an answer is not as it must be."""
        phase = Phase(
            kind=kind,
            port=contest.port,
            dialect=contest.contestant.dialect,
            count=count,
            connections=connections,
            poll=poll,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(phase) + b"\n")
        self._process.stdin.flush()
        tally = msgspec.json.decode(self._process.stdout.readline(), type=Tally)
        if tally.problem:
            raise RuntimeError(f"{contest.contestant.name}: {tally.problem}")
        return tally


def measure(contest: Contest, generator: LoadGenerator, servers: dict[str, list[psutil.Process]]) -> Measurement:
    """Take a contestant that is ready through all phases; every output is checked."""
    generator.run(contest, "predict", count=WARM_UP)
    submitted = generator.run(contest, "submit")
    generator.run(contest, "collect")
    families = contest.families() | servers
    before = cpu_seconds(families)
    predicted = generator.run(contest, "predict")
    after = cpu_seconds(families)
    idle = generator.run(contest, "predict", count=IDLE_COUNT, connections=1, poll=IDLE_POLL)
    used = {role: after[role] - before[role] for role in before} | {"load": predicted.cpu}
    used["other"] = max(0.0, used.pop("machine") - sum(used.values()))
    return Measurement(
        submit_rate=COUNT / submitted.seconds,
        submit_p50=1e3 * _quantile(submitted.latencies, 50),
        submit_p95=1e3 * _quantile(submitted.latencies, 95),
        rate=COUNT / predicted.seconds,
        idle_p50=1e3 * _quantile(idle.latencies, 50),
        idle_p95=1e3 * _quantile(idle.latencies, 95),
        requests=predicted.requests / COUNT,
        cpu={role: 1e6 * seconds / COUNT for role, seconds in used.items()},
    )


def median(rounds: Sequence[Measurement]) -> Measurement:
    """The medians, each figure by itself."""

    def middle(figure: Callable[[Measurement], float]) -> float:
        return statistics.median(map(figure, rounds))

    return Measurement(
        submit_rate=middle(lambda one: one.submit_rate),
        submit_p50=middle(lambda one: one.submit_p50),
        submit_p95=middle(lambda one: one.submit_p95),
        rate=middle(lambda one: one.rate),
        idle_p50=middle(lambda one: one.idle_p50),
        idle_p95=middle(lambda one: one.idle_p95),
        requests=middle(lambda one: one.requests),
        cpu={role: statistics.median(one.cpu[role] for one in rounds) for role in rounds[0].cpu},
    )


def tree(pid: int | None) -> list[psutil.Process]:
    """A process and all that it has started."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def cpu_seconds(families: dict[str, list[psutil.Process]]) -> dict[str, float]:
    """The CPU seconds used so far, by role: user, system, and those of children that have ended.

    The role `machine` is everything that the machine did.
    """
    machine = psutil.cpu_times()
    return {role: sum(sum(process.cpu_times()[:4]) for process in family) for role, family in families.items()} | {
        "machine": sum(machine) - machine.idle - machine.iowait - machine.guest - machine.guest_nice
    }


def _quantile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
