"""The remote side: what the commands that ask a gateway have in common.

They ask by HTTP and open no store: the embedded database belongs to one process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer
from rich.text import Text

from leveret.cli import exits
from leveret.cli.output import dump, harmless, say, tell
from leveret.errors import GatewayUnreachable, LeveretError

if TYPE_CHECKING:
    from leveret.client import Client

PATIENCE: Final = 1.0
"""For how many seconds a command tries again what fails: whoever waits for it wants to know soon."""

LASTING: Final = 60.0
"""The same for a command that follows a prediction: a gateway may be started again meanwhile."""

Model: TypeAlias = Annotated[str | None, typer.Option("--model", help="only those of this model, owner/name")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="print JSON")]
Url: TypeAlias = Annotated[str, typer.Option("--url", envvar="LEVERET_URL", help="where the gateway is")]


@contextmanager
def connected(url: str, *, patience: float = PATIENCE, timeout: float = 60.0) -> Iterator[Client]:
    """A client of the gateway there."""
    from leveret.client import Client  # noqa: PLC0415 - its driver takes as long to load as all else

    with Client(url, patience=patience, timeout=timeout) as client:
        yield client


def each(ids: Sequence[str], do: Callable[[str], str | None], *, word: str, json: bool) -> None:
    """Do it with each of them; one that is refused keeps the others from nothing. Exits with 1 if one was.

    For a retry, `do` answers the id of the new one.
    """
    done: dict[str, str | None] = {}
    refused: dict[str, str] = {}
    for one in ids:
        try:
            done[one] = do(one)
        except GatewayUnreachable:
            raise
        except LeveretError as error:
            refused[one] = str(error)
    if json:
        dump({word: done if word == "retried" else list(done), "refused": refused})
    else:
        for one, fresh in done.items():
            tell(f"{word} {one}" + (f" as {fresh}" if fresh else ""))
        for reason in refused.values():
            say(Text.assemble(("error", "red"), f": {harmless(reason)}"))
    if refused:
        raise typer.Exit(exits.FAILURE)
