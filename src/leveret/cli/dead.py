"""`leveret dead`: the dead letters of a running gateway.

It asks the gateway by HTTP and opens no store: the embedded database belongs to one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec
import typer
from rich.text import Text

from leveret.cli.output import dump, first_line, say, tabulate, tell
from leveret.cli.remote import Json, Model, Url, connected, each
from leveret.config import GATEWAY_URL

if TYPE_CHECKING:
    from leveret.client.letters import Letters

Ids: TypeAlias = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="their ids")]
All: TypeAlias = Annotated[bool, typer.Option("--all", help="all there are, or all of --model")]

app = typer.Typer(name="dead", no_args_is_help=True, help="What has failed for good: list, show, retry, purge.")


@app.command(name="list")
def list_(
    *,
    model: Model = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="how many at most")] = 100,
    json: Json = False,
    url: Url = GATEWAY_URL,
) -> None:
    """List the dead letters, newest first."""
    with _letters(url) as letters:
        found = list(islice(letters.list(model=model), limit + 1))
    shown = found[:limit]
    if json:
        dump(shown)
    elif shown:
        rows = [[one.id, one.model or "-", one.why or "-", one.failed_at, first_line(one.error)] for one in shown]
        tabulate(["id", "model", "why", "failed", "error"], rows)
    else:
        say(Text("there are no dead letters"))
    if len(found) > limit:
        say(Text(f"there are more than these {limit}; see them with --limit"))


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID")], *, json: Json = False, url: Url = GATEWAY_URL
) -> None:
    """Show one, with its input, or with what stood in the queue."""
    with _letters(url) as letters:
        letter = letters.get(letter_id)
    if json:
        dump(letter)
        return
    for name in ("id", "model", "why", "error", "attempt", "created_at", "failed_at", "account", "version"):
        value = getattr(letter, name)
        if value is not None:
            tell(f"{name:<11} {value}")
    if letter.body is not None:
        tell(f"body\n{letter.body}")
    elif letter.data_removed:
        tell("input       no longer kept")
    else:
        tell(f"input\n{msgspec.json.format(bytes(letter.input)).decode()}")


@app.command()
def retry(
    ids: Ids = None,
    *,
    everything: All = False,
    model: Model = None,
    json: Json = False,
    url: Url = GATEWAY_URL,
) -> None:
    """Run them again, each as a new prediction."""
    chosen = _chosen(ids, everything=everything, model=model)
    with _letters(url) as letters:
        if chosen:
            each(chosen, letters.retry, word="retried", json=json)
            return
        done = letters.retry_all(model=model)
    if json:
        dump(done)
        return
    tell(f"retried {done.retried}")
    if done.skipped:
        say(Text(f"{done.skipped} stay: they are no predictions; look at them, then purge them"))


@app.command()
def purge(
    ids: Ids = None,
    *,
    everything: All = False,
    model: Model = None,
    json: Json = False,
    url: Url = GATEWAY_URL,
) -> None:
    """Throw them away. Their predictions stay as they are."""
    chosen = _chosen(ids, everything=everything, model=model)
    with _letters(url) as letters:
        if chosen:
            each(chosen, letters.purge, word="purged", json=json)
            return
        purged = letters.purge_all(model=model)
    if json:
        dump({"purged": purged})
    else:
        tell(f"purged {purged}")


def _chosen(ids: list[str] | None, *, everything: bool, model: str | None) -> list[str]:
    """The ids; none of them for all."""
    if ids and (everything or model):
        raise typer.BadParameter("name dead letters by their ids or take --all, not both")
    if not ids and not everything:
        raise typer.BadParameter("name dead letters by their ids, or take --all, which may be narrowed by --model")
    return ids or []


@contextmanager
def _letters(url: str) -> Iterator[Letters]:
    with connected(url) as client:
        yield client.letters
