"""`leveret autoscale`: as many workers on this machine as the models want."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

import typer
import uvloop

from leveret import config
from leveret.autoscale.autoscaler import Autoscaler
from leveret.autoscale.duty import Duty, Rule, duty
from leveret.autoscale.process import started
from leveret.cli.options import with_options
from leveret.cli.remote import Url
from leveret.cli.servers import need_urls, on_signals
from leveret.config import Settings
from leveret.core.scale import TARGET_WAIT

ANSWER: Final = 10.0
"""For how many seconds an autoscaler waits for one answer of the gateway."""


@with_options("worker")
def autoscale(
    duties: Annotated[list[str], typer.Argument(metavar="OWNER/NAME=TARGET...", help="models, what workers serve")],
    *,
    settings: Settings,
    most: Annotated[int, typer.Option("--max", min=1, help="how many workers each model has at most")],
    least: Annotated[int, typer.Option("--min", min=0, help="how many it has at least")] = 0,
    target_wait: Annotated[float, typer.Option(min=0.001, help="seconds that a prediction may wait")] = TARGET_WAIT,
    patience: Annotated[float, typer.Option(min=0, help="seconds for which fewer must be enough")] = 60.0,
    period: Annotated[float, typer.Option(min=0.1, help="seconds between two questions to the gateway")] = 2.0,
    url: Url = config.GATEWAY_URL,
) -> None:
    """Start and stop workers on this machine, as many as the models want: a gateway says so."""
    need_urls(settings, "autoscale")
    rule = Rule(least=least, most=most, target_wait=target_wait, patience=patience, period=period)
    uvloop.run(_autoscaled([duty(text) for text in duties], rule, settings, url))


async def _autoscaled(duties: Sequence[Duty], rule: Rule, settings: Settings, url: str) -> None:
    from leveret.client import AsyncClient  # noqa: PLC0415 - its driver takes as long to load as all else

    own = {**os.environ, **config.variables(settings, "", "worker"), "LEVERET_WORKER_HEALTH_PORT": "0"}
    async with AsyncClient(url, patience=rule.period, timeout=ANSWER) as client:
        autoscaler = Autoscaler(
            duties,
            rule=rule,
            ask=partial(client.scale, target_wait=rule.target_wait),
            start=partial(started, environment=own),
            grace=settings.worker.grace,
        )
        on_signals(autoscaler.stop)
        await autoscaler.run()
