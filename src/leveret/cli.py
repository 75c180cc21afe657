"""The command line: the only module that prints, exits or traps signals."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeAlias

import typer
import uvloop
from rich.console import Console

from leveret import config
from leveret.config import Option, Settings, Value
from leveret.errors import InvalidSetting, UsageError
from leveret.launch import Launcher
from leveret.observe import configure_logging

Targets: TypeAlias = Annotated[list[str], typer.Argument(help="file.py, file.py:name or package.module:name")]
Command: TypeAlias = Callable[..., None]

EXIT_USAGE: Final = 2

app = typer.Typer(
    name="leveret",
    help="Put a Python AI model behind RabbitMQ. Options may also stand in leveret.toml or in LEVERET_* variables.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """The entry point of the command `leveret`."""
    try:
        app()
    except UsageError as error:
        Console(stderr=True).print(f"[red]error[/red] ({error.code}): {error}", soft_wrap=True, highlight=False)
        sys.exit(EXIT_USAGE)


def _with_options(*sections: str) -> Callable[[Command], Command]:
    """Give a command a flag for every option of these sections and of the top; it is called with `settings`."""
    rows = [row for row in config.options() if row.name.rpartition(".")[0] in ("", *sections)]
    shared = Counter(row.name.rpartition(".")[2] for row in rows)
    flags = {row.name.replace(".", "_"): row for row in rows}

    def decorate(command: Command) -> Command:
        def wrapped(**given: Value | Sequence[str] | None) -> None:
            chosen = {flags[name].name: given.pop(name) for name in flags}
            settings = config.load(
                environment=os.environ,
                flags={name: value for name, value in chosen.items() if isinstance(value, str | int | float)},
            )
            configure_logging(settings.log_level)
            command(settings=settings, **given)

        own = [p for name, p in inspect.signature(command, eval_str=True).parameters.items() if name != "settings"]
        added = [_parameter(name, row, unique=shared[row.name.rpartition(".")[2]] == 1) for name, row in flags.items()]
        wrapped.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined] # read by typer
        wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
        return wrapped

    return decorate


def _parameter(name: str, row: Option, *, unique: bool) -> inspect.Parameter:
    flag = row.name.rpartition(".")[2] if unique else name
    shown = typer.Option(f"--{flag.replace('_', '-')}", help=f"{row.help} [{row.variable}; {row.default!r}]")
    annotation = Annotated[row.kind | None, shown]  # type: ignore[name-defined] # a type chosen at run time
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


@app.command()
@_with_options("gateway", "worker", "sweeper")
def serve(targets: Targets, *, settings: Settings) -> None:
    """Serve models with everything in one process: gateway, workers and sweeper."""
    _run(Launcher, settings, gateway=True, targets=targets)


@app.command()
@_with_options("gateway", "sweeper")
def gateway(*, settings: Settings) -> None:
    """Run a gateway alone, on RabbitMQ and Redis. Any number may run."""
    _need_urls(settings, "gateway")
    _run(Launcher, settings, gateway=True, targets=())


@app.command()
@_with_options("worker")
def worker(targets: Targets, *, settings: Settings) -> None:
    """Run a worker for each target, on RabbitMQ and Redis. Any number may run."""
    _need_urls(settings, "worker")
    _run(Launcher, settings, gateway=False, targets=targets)


def _need_urls(settings: Settings, command: str) -> None:
    if settings.embedded:
        raise InvalidSetting(
            name="broker_url",
            source="the settings",
            reason=f"`leveret {command}` meets the other processes in RabbitMQ and Redis: set LEVERET_BROKER_URL "
            "and LEVERET_STORE_URL, or use `leveret serve` for everything in one process",
        )


def _run(launcher: type[Launcher], settings: Settings, *, gateway: bool, targets: Sequence[str]) -> None:
    async def supervised() -> None:
        launched = launcher(settings, gateway=gateway, targets=targets)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, launched.stop)
        async with asyncio.TaskGroup() as group:
            greeting = group.create_task(_greet(launched, targets))
            await launched.run()
            greeting.cancel()

    try:
        uvloop.run(supervised())
    except* UsageError as group:
        raise _first(group) from None


async def _greet(launched: Launcher, targets: Sequence[str]) -> None:
    await launched.ready.wait()
    console = Console(stderr=True, highlight=False)
    if launched.url:
        console.print(f"[green]ready[/green] at {launched.url}", soft_wrap=True)
        console.print(f"  models      curl {launched.url}/v1/models", soft_wrap=True)
        console.print(f"  API         curl {launched.url}/openapi.json", soft_wrap=True)
        return
    console.print(f"[green]ready[/green]: consuming for {', '.join(targets)}", soft_wrap=True)


def _first(group: BaseExceptionGroup[UsageError]) -> UsageError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, UsageError)  # noqa: S101 - what `except* UsageError` has sorted out
    return error
