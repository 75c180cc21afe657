"""Options of the servers as flags of a command, which is called with the settings they make."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from typing import Annotated, TypeAlias

import typer

from leveret import config
from leveret.config import Option, Value
from leveret.observe.logs import configure_logging

Command: TypeAlias = Callable[..., None]


def with_options(*sections: str) -> Callable[[Command], Command]:
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
