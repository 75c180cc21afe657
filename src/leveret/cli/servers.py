"""`leveret serve`, `gateway` and `worker`: processes that run until a signal ends them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
import uvloop
from rich.text import Text

from leveret.cli.options import with_options
from leveret.cli.output import say
from leveret.config import Settings
from leveret.core.tracing import Tracer
from leveret.errors import InvalidSetting
from leveret.observe.telemetry import tracing

if TYPE_CHECKING:
    from leveret.launch import Launcher

Targets: TypeAlias = Annotated[list[str], typer.Argument(help="file.py, file.py:name or package.module:name")]


@with_options("gateway", "limits", "worker", "sweeper", "webhooks", "outbound")
def serve(targets: Targets, *, settings: Settings) -> None:
    """Serve models with everything in one process: gateway, workers and sweeper."""
    _run(settings, gateway=True, targets=targets)


@with_options("gateway", "limits", "sweeper", "webhooks", "outbound")
def gateway(*, settings: Settings) -> None:
    """Run a gateway alone, on RabbitMQ and Redis. Any number may run."""
    need_urls(settings, "gateway")
    _run(settings, gateway=True, targets=())


@with_options("worker")
def worker(targets: Targets, *, settings: Settings) -> None:
    """Run a worker for each target, on RabbitMQ, and Redis or a gateway. Any number may run."""
    need_urls(settings, "worker")
    _run(settings, gateway=False, targets=targets)


def need_urls(settings: Settings, command: str) -> None:
    """Raises InvalidSetting if there is nowhere to meet the other processes."""
    if settings.embedded:
        raise InvalidSetting(
            name="broker_url",
            source="the settings",
            reason=f"`leveret {command}` meets the other processes in RabbitMQ and Redis: set LEVERET_BROKER_URL "
            "and LEVERET_STORE_URL, or use `leveret serve` for everything in one process",
        )


def on_signals(stop: Callable[[], None]) -> None:
    """Have the signals that end a process stop it in its own way."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def _run(settings: Settings, *, gateway: bool, targets: Sequence[str]) -> None:
    from leveret.launch import Launcher  # noqa: PLC0415 - a server takes longer to load than all the other commands

    async def supervised(tracer: Tracer) -> None:
        launched = Launcher(settings, gateway=gateway, targets=targets, tracer=tracer)
        on_signals(launched.stop)
        greeting = asyncio.create_task(_greet(launched, targets))
        try:
            await launched.run()
        finally:
            greeting.cancel()

    role = "leveret-gateway" if not targets else "leveret" if gateway else "leveret-worker"
    with tracing(os.environ, service=role, system="leveret" if settings.embedded else "rabbitmq") as tracer:
        uvloop.run(supervised(tracer))


async def _greet(launched: Launcher, targets: Sequence[str]) -> None:
    await launched.ready.wait()
    ready = ("ready", "green")
    if launched.url:
        say(Text.assemble(ready, f" at {launched.url}"))
        say(Text(f"  dashboard   {launched.url}/"))
        say(Text(f"  models      curl {launched.url}/v1/models"))
        say(Text(f"  API         {launched.url}/docs"))
        if launched.open:
            say(Text("  open to everybody on this machine: there is no API key yet (leveret keys create)"))
    else:
        say(Text.assemble(ready, f": consuming for {', '.join(targets)}"))
