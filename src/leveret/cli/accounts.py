"""`leveret accounts`: what accounts may, where that is not what the settings say."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import typer
from msgspec.structs import asdict
from rich.text import Text

from leveret.cli.output import dump, say, tabulate, tell
from leveret.cli.remote import Json
from leveret.cli.stored import do
from leveret.core.limits import Allowance
from leveret.gateway.admin.accounts import checked

Account: TypeAlias = Annotated[str, typer.Argument(metavar="ACCOUNT", help="the name of an account")]

_COLUMNS: Final = ("rate", "burst", "queued", "running")

app = typer.Typer(
    name="accounts", no_args_is_help=True, help="What accounts may: limit, unlimit, list. It is in the store."
)


@app.command()
def limit(
    account: Account,
    *,
    rate: Annotated[float | None, typer.Option(min=0, help="predictions per second; 0: any")] = None,
    burst: Annotated[int | None, typer.Option(min=0, help="how many of them at once; 0: those of a second")] = None,
    queued: Annotated[int | None, typer.Option(min=0, help="predictions that may wait; 0: any")] = None,
    running: Annotated[int | None, typer.Option(min=0, help="predictions that may run; 0: any")] = None,
) -> None:
    """Say what an account may, in place of what was said before; what is left out is as the settings say."""
    allowance = Allowance(rate=rate, burst=burst, queued=queued, running=running)
    do(lambda store: store.allow(checked(account), allowance))
    tell(f"limited {account}; gateways know it within five seconds")


@app.command()
def unlimit(account: Account) -> None:
    """Let an account do what the settings say."""
    do(lambda store: store.allow(checked(account), None))
    tell(f"{account} may what the settings say; gateways know it within five seconds")


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List the accounts with limits of their own."""
    known = do(lambda store: store.allowances())
    if json:
        dump([{"account": account, **asdict(known[account])} for account in sorted(known)])
    elif known:
        rows = [[account, *(_shown(getattr(known[account], name)) for name in _COLUMNS)] for account in sorted(known)]
        tabulate(["account", *_COLUMNS], rows)
    else:
        say(Text("no account has limits of its own"))


def _shown(limit: float | None) -> str:
    return "as set" if limit is None else f"{limit:g}" if limit else "any"
