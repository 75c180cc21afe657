"""`leveret webhooks`: what has become of a prediction's webhook, asked of a running gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
from rich.text import Text

from leveret.cli.output import dump, say, tabulate, tell
from leveret.cli.remote import Json, Url, connected
from leveret.config import GATEWAY_URL

if TYPE_CHECKING:
    from leveret.client.webhooks import Webhooks

Id: TypeAlias = Annotated[str, typer.Argument(metavar="ID", help="the id of the prediction")]

app = typer.Typer(name="webhooks", no_args_is_help=True, help="The calls of a prediction's webhook: list, redeliver.")


@app.command(name="list")
def list_(prediction_id: Id, *, json: Json = False, url: Url = GATEWAY_URL) -> None:
    """List the latest calls, newest first."""
    with _webhooks(url) as webhooks:
        found = webhooks.list(prediction_id)
    if json:
        dump(found)
        return
    if found.silenced:
        say(Text("it has answered 410 and is not called any more"))
    if not found.results:
        say(Text("it has not been called"))
        return
    rows = [
        [one.at, one.event, one.webhook_id, str(one.attempt), f"{one.seconds:g} s", _answer(one.status, one.error)]
        for one in found.results
    ]
    tabulate(["at", "event", "webhook-id", "attempt", "took", "answer"], rows)


@app.command()
def redeliver(prediction_id: Id, *, json: Json = False, url: Url = GATEWAY_URL) -> None:
    """Call the webhook with the prediction as it is now."""
    with _webhooks(url) as webhooks:
        webhook_id = webhooks.redeliver(prediction_id)
    if json:
        dump({"webhook_id": webhook_id})
    else:
        tell(f"it is called as {webhook_id}")


def _answer(status: int | None, error: str | None) -> str:
    return str(status) if status is not None else error or "-"


@contextmanager
def _webhooks(url: str) -> Iterator[Webhooks]:
    with connected(url) as client:
        yield client.webhooks
