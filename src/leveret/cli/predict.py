"""`leveret predict`: run a model and see what comes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from leveret.cli import completion, exits, saving
from leveret.cli.arguments import parse
from leveret.cli.output import dump, tell
from leveret.cli.remote import LASTING, Json, Url, connected
from leveret.cli.screen import Screen
from leveret.config import GATEWAY_URL
from leveret.core.prediction import Priority

if TYPE_CHECKING:
    from leveret.client import JSON, Client, Handle, Prediction


def predict(
    model: Annotated[str, typer.Argument(help="owner/name", autocompletion=completion.models)],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="the input; also KEY=@FILE and KEY:=JSON")
    ] = None,
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="save files to this folder")] = None,
    priority: Annotated[Priority | None, typer.Option(help="among your own predictions")] = None,
    cancel_after: Annotated[float | None, typer.Option(min=5, help="seconds until it is canceled")] = None,
    retention: Annotated[str | None, typer.Option(help="how long its data stays after its end, such as 1h")] = None,
    webhook: Annotated[str | None, typer.Option(help="an https URL that is called when something happens")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="print the id and do not wait")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="show the logs, on stderr")] = False,
    json: Json = False,
    url: Url = GATEWAY_URL,
) -> None:
    """Run a model on an input. Ctrl-C cancels it, a second one leaves it."""
    with connected(url) as client:
        schemas = client.model(model.partition(":")[0]).schemas
    with connected(url, patience=LASTING) as client:
        handle = client.submit(
            model,
            parse(words or [], schemas),
            priority=priority,
            cancel_after=cancel_after,
            retention=retention,
            webhook=webhook,
        )
        if detach:
            dump(handle.prediction) if json else tell(handle.id)
            return
        files = saving.has_files(schemas)
        screen = Screen(handle.id, text=not json and not files, logs=logs)
        with screen:
            interrupted = _follow(handle, screen)
        prediction = handle.reload()
        _print(prediction, client, folder=output if files else None, json=json, printed=screen.some)
    if interrupted:
        raise typer.Exit(exits.INTERRUPTED)
    prediction.result()


def _follow(handle: Handle, screen: Screen) -> bool:
    """Show it until it has ended; whether it was interrupted, and therefore canceled."""
    try:
        _show(handle, screen)
    except KeyboardInterrupt:
        screen.note("canceling it; Ctrl-C again leaves it as it is")
        handle.cancel()
        _show(handle, screen)
        return True
    return False


def _show(handle: Handle, screen: Screen) -> None:
    for entry in handle.events(after=screen.number):
        screen.show(entry)


def _print(prediction: Prediction, client: Client, *, folder: Path | None, json: bool, printed: bool) -> None:
    """Print what there is to print at the end."""
    result = prediction.output
    if folder is not None and prediction.status == "succeeded":
        result = saving.save(result, folder, client)
    if json:
        dump(msgspec.structs.replace(prediction, output=result))
    elif prediction.status == "succeeded" and not printed:
        _print_output(result)


def _print_output(output: JSON) -> None:
    if sys.stdout.isatty():
        output = saving.abbreviate(output)
    if isinstance(output, str):
        tell(output) if sys.stdout.isatty() else sys.stdout.write(output + "\n")
    elif sys.stdout.isatty():
        tell(msgspec.json.format(msgspec.json.encode(output)).decode())
    else:
        dump(output)
