"""The command line: the only package that prints, exits or traps signals."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Final, TypeAlias

import typer
import uvloop
from rich.text import Text

from leveret import config
from leveret.autoscale.autoscaler import Autoscaler
from leveret.autoscale.duty import Duty, Rule, duty
from leveret.autoscale.process import started
from leveret.cli import accounts, changes, dead, exits, keys, lists, webhooks
from leveret.cli.dockerfile import dockerfile
from leveret.cli.doctor import doctor
from leveret.cli.output import harmless, say
from leveret.cli.permissions import permissions
from leveret.cli.predict import predict
from leveret.cli.provision import provision
from leveret.cli.remote import Url
from leveret.cli.top import top
from leveret.cli.watch import watch
from leveret.config import Option, Settings, Value
from leveret.core.scale import TARGET_WAIT
from leveret.core.tracing import Tracer
from leveret.errors import InvalidSetting, LeveretError
from leveret.launch import Launcher
from leveret.observe.logs import configure_logging
from leveret.observe.telemetry import tracing

Targets: TypeAlias = Annotated[list[str], typer.Argument(help="file.py, file.py:name or package.module:name")]
Command: TypeAlias = Callable[..., None]

ANSWER: Final = 10.0
"""For how many seconds an autoscaler waits for one answer of the gateway."""

_SERVERS: Final = "Servers"
_PREDICTIONS: Final = "Predictions, of a running gateway"

app = typer.Typer(
    name="leveret",
    help="Put a Python AI model behind RabbitMQ. Options may also stand in leveret.toml or in LEVERET_* variables.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """The entry point of the command `leveret`."""
    try:
        app()
    except LeveretError as error:
        say(Text.assemble(("error", "red"), f" ({error.code}): {harmless(str(error))}"))
        sys.exit(exits.code(error))


def _with_options(*sections: str) -> Callable[[Command], Command]:
    """Give a command a flag for every option of these sections and of the top; it is called with `settings`."""
    rows = [row for row in config.options() if row.name.rpartition(".")[0] in ("", *sections)]
    flags = {row.name.replace(".", "_"): row for row in rows}

    def decorate(command: Command) -> Command:
        def wrapped(**given: Value | Sequence[str] | None) -> None:
            chosen = {flags[name].name: given.pop(name) for name in flags}
            settings = config.load(
                environment=os.environ,
                flags={name: value for name, value in chosen.items() if isinstance(value, str | int | float)},
            )
            configure_logging(settings.log_level, settings.log_format)
            command(settings=settings, **given)

        own = [p for name, p in inspect.signature(command, eval_str=True).parameters.items() if name != "settings"]
        added = [_parameter(name, row) for name, row in flags.items()]
        wrapped.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined] # read by typer
        wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
        return wrapped

    return decorate


def _parameter(name: str, row: Option) -> inspect.Parameter:
    off = f"/--no-{row.flag.removeprefix('--')}" if row.default is True else ""
    shown = typer.Option(row.flag + off, help=f"{row.help} [{row.variable}; {row.default!r}]")
    annotation = Annotated[row.kind | None, shown]  # type: ignore[name-defined] # a type chosen at run time
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


@app.command(rich_help_panel=_SERVERS)
@_with_options("gateway", "limits", "worker", "sweeper", "webhooks", "outbound")
def serve(targets: Targets, *, settings: Settings) -> None:
    """Serve models with everything in one process: gateway, workers and sweeper."""
    _run(Launcher, settings, gateway=True, targets=targets)


@app.command(rich_help_panel=_SERVERS)
@_with_options("gateway", "limits", "sweeper", "webhooks", "outbound")
def gateway(*, settings: Settings) -> None:
    """Run a gateway alone, on RabbitMQ and Redis. Any number may run."""
    _need_urls(settings, "gateway")
    _run(Launcher, settings, gateway=True, targets=())


@app.command(rich_help_panel=_SERVERS)
@_with_options("worker")
def worker(targets: Targets, *, settings: Settings) -> None:
    """Run a worker for each target, on RabbitMQ, and Redis or a gateway. Any number may run."""
    _need_urls(settings, "worker")
    _run(Launcher, settings, gateway=False, targets=targets)


@app.command(rich_help_panel=_SERVERS)
@_with_options("worker")
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
    _need_urls(settings, "autoscale")
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
        _on_signals(autoscaler.stop)
        await autoscaler.run()


def _need_urls(settings: Settings, command: str) -> None:
    if settings.embedded:
        raise InvalidSetting(
            name="broker_url",
            source="the settings",
            reason=f"`leveret {command}` meets the other processes in RabbitMQ and Redis: set LEVERET_BROKER_URL "
            "and LEVERET_STORE_URL, or use `leveret serve` for everything in one process",
        )


def _run(launcher: type[Launcher], settings: Settings, *, gateway: bool, targets: Sequence[str]) -> None:
    async def supervised(tracer: Tracer) -> None:
        launched = launcher(settings, gateway=gateway, targets=targets, tracer=tracer)
        _on_signals(launched.stop)
        greeting = asyncio.create_task(_greet(launched, targets))
        try:
            await launched.run()
        finally:
            greeting.cancel()

    role = "leveret-gateway" if not targets else "leveret" if gateway else "leveret-worker"
    with tracing(os.environ, service=role, system="leveret" if settings.embedded else "rabbitmq") as tracer:
        uvloop.run(supervised(tracer))


def _on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


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


for _command in (
    predict,
    watch,
    lists.list_,
    lists.show,
    changes.cancel,
    changes.retry,
    changes.delete,
    lists.models,
    lists.queues,
    top,
):
    app.command(name=_command.__name__.rstrip("_"), rich_help_panel=_PREDICTIONS)(_command)
app.add_typer(keys.app, rich_help_panel=_SERVERS)
app.add_typer(accounts.app, rich_help_panel=_SERVERS)
app.command(rich_help_panel=_SERVERS)(dockerfile)
app.command(rich_help_panel=_SERVERS)(permissions)
app.command(rich_help_panel=_SERVERS)(provision)
app.command(rich_help_panel=_SERVERS)(doctor)
app.add_typer(dead.app, rich_help_panel=_PREDICTIONS)
app.add_typer(webhooks.app, rich_help_panel=_PREDICTIONS)
