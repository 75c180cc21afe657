"""The command line: the only package that prints, exits or traps signals."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated, Final

import typer
from rich.text import Text

from leveret.cli import accounts, changes, dead, exits, keys, lists, servers, webhooks
from leveret.cli.autoscale import autoscale
from leveret.cli.dockerfile import dockerfile
from leveret.cli.doctor import doctor
from leveret.cli.output import harmless, say, tell
from leveret.cli.permissions import permissions
from leveret.cli.predict import predict
from leveret.cli.provision import provision
from leveret.cli.top import top
from leveret.cli.watch import watch
from leveret.errors import LeveretError

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


def _tell_version(wanted: bool) -> None:
    if wanted:
        tell(f"leveret {metadata.version('leveret')}")
        raise typer.Exit


@app.callback()
def _whole(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="tell the version and leave")
    ] = False,
) -> None:
    """Has the options that go before a command."""


for _command in (servers.serve, servers.gateway, servers.worker, autoscale):
    app.command(rich_help_panel=_SERVERS)(_command)
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
