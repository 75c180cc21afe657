"""What traces cost: `python -m benchmarks.tracing` records no predictions, a tenth of them, and all."""

from __future__ import annotations

import statistics
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from benchmarks.contest import CONTESTANTS, Contest
from benchmarks.measurement import COUNT, WARM_UP, LoadGenerator, cpu_seconds

OFF: Final = "not recorded"
_TENTH: Final = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


class Collector(BaseHTTPRequestHandler):
    """Takes whatever it is sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is declared
        """Nobody wants to know."""


@app.command()
def main(rounds: Annotated[int, typer.Option(help="how often each is measured; medians are quoted")] = 3) -> None:
    """Run predictions on the embedded server, and see what each costs it in CPU."""
    found: dict[str, list[float]] = {}
    with _collecting() as endpoint, LoadGenerator() as generator:
        sent = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
        kinds = {OFF: {}, "a tenth recorded and sent": sent | _TENTH, "recorded and sent": sent}
        for _ in range(rounds):
            for kind, variables in kinds.items():
                found.setdefault(kind, []).append(_measure(variables, generator))
    medians = {kind: statistics.median(costs) for kind, costs in found.items()}
    table = Table(title="What traces cost the embedded server")
    for column in ("", "CPU µs per prediction", "ratio", "lowest, highest"):
        table.add_column(column, justify="right" if column else "left")
    for kind, cost in medians.items():
        spread = f"{min(found[kind]):.0f}, {max(found[kind]):.0f}"
        table.add_row(kind, f"{cost:.0f}", f"{cost / medians[OFF]:.2f}", spread)
    Console().print(table)


def _measure(variables: Mapping[str, str], generator: LoadGenerator) -> float:
    """Microseconds for each prediction, of everything but the model's process."""
    embedded = next(one for one in CONTESTANTS if one.name == "embedded")
    contestant = replace(embedded, variables={**embedded.variables, **variables})
    with (
        tempfile.TemporaryDirectory() as folder,
        Contest(contestant, broker_url="", store_url="", folder=Path(folder)) as contest,
    ):
        generator.run(contest, "predict", count=WARM_UP)
        families = {"gateway": contest.families()["gateway"]}
        before = cpu_seconds(families)["gateway"]
        generator.run(contest, "predict")
        return 1e6 * (cpu_seconds(families)["gateway"] - before) / COUNT


@contextmanager
def _collecting() -> Iterator[str]:
    """Where a collector listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    app()
