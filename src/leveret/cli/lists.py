"""What there is: predictions, models and queues, in tables or as JSON."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.text import Text

from leveret.cli import completion
from leveret.cli.output import dump, first_line, say, tabulate, tell
from leveret.cli.remote import Json, Model, Url, connected
from leveret.config import GATEWAY_URL
from leveret.core.prediction import Status

if TYPE_CHECKING:
    from leveret import client

Id = Annotated[str, typer.Argument(metavar="ID", help="the id of a prediction")]


def list_(
    *,
    status: Annotated[Status | None, typer.Option(help="only those in this state")] = None,
    model: Model = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="how many at most")] = 20,
    json: Json = False,
    url: Url = GATEWAY_URL,
) -> None:
    """List predictions, newest first."""
    with connected(url) as client:
        found = list(islice(client.predictions(status=status, model=model), limit + 1))
    shown = found[:limit]
    if json:
        dump(shown)
    elif shown:
        rows = [[one.id, one.model, _state(one), _moment(one.created_at), _took(one), _about(one)] for one in shown]
        tabulate(["id", "model", "status", "created", "took", ""], rows)
    else:
        say(Text("there are no predictions"))
    if len(found) > limit:
        say(Text(f"there are more than these {limit}; see them with --limit"))


def show(prediction_id: Id, *, json: Json = False, url: Url = GATEWAY_URL) -> None:
    """Show one prediction with everything that is known of it."""
    with connected(url) as client:
        prediction = client.get(prediction_id).prediction
    if json:
        dump(prediction)
        return
    names = ("id", "model", "version", "status", "stopped", "error", "priority", "attempt", "progress")
    moments = ("created_at", "started_at", "completed_at", "start_by", "deadline")
    for name in names:
        if (value := getattr(prediction, name)) is not None:
            tell(f"{name:<12} {value}")
    for name in moments:
        if (value := getattr(prediction, name)) is not None:
            tell(f"{name:<12} {_moment(value)}")
    if prediction.queue is not None:
        tell(f"{'queue':<12} {_place(prediction.queue)}")
    tell("input        no longer kept" if prediction.data_removed else f"input\n{_json(prediction.input)}")
    if prediction.output is not None:
        tell(f"output\n{_json(prediction.output)}")
    if prediction.logs:
        tell(f"logs\n{prediction.logs.rstrip()}")


def models(
    name: Annotated[str | None, typer.Argument(metavar="[MODEL]", autocompletion=completion.models)] = None,
    *,
    json: Json = False,
    url: Url = GATEWAY_URL,
) -> None:
    """List the models that are served, or the inputs of one."""
    with connected(url) as client:
        found = client.models() if name is None else [client.model(name)]
    if json:
        dump(found if name is None else found[0])
    elif name is not None:
        _describe(found[0])
    elif found:
        rows = [[one.id, str(one.workers), one.latest_version.id[:12], _note(one)] for one in found]
        tabulate(["model", "workers", "version", ""], rows)
    else:
        say(Text("no model is served; start one with `leveret serve FILE.py`"))


def queues(*, json: Json = False, url: Url = GATEWAY_URL) -> None:
    """Show for each model what waits, in all and in each lane, and what runs."""
    with connected(url) as client:
        found = client.queues()
    if json:
        dump(found)
        return
    rows = [
        [one.model, str(one.waiting), " ".join(map(str, one.lanes)), str(one.running), str(one.workers)]
        for one in found
    ]
    tabulate(["model", "waiting", "by lane", "running", "workers"], rows)


def _note(model: client.Model) -> str:
    """Why it cannot be run, or what it is."""
    return f"PROBLEM: {first_line(model.problem)}" if model.problem else first_line(model.description)


def _describe(model: client.Model) -> None:
    tell(f"{model.id}  {model.description}".rstrip())
    if model.problem:
        tell(f"PROBLEM: {model.problem}")
    schema = model.schemas.get("Input")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    rows = [
        [name, _json_line(one), str(one.get("description", ""))]
        for name, one in (properties.items() if isinstance(properties, dict) else [])
        if isinstance(one, dict)
    ]
    tabulate(["input", "schema", "description"], rows)


def _json_line(schema: dict[str, client.JSON]) -> str:
    """The schema without what stands beside it."""
    return msgspec.json.encode({n: v for n, v in schema.items() if n not in {"title", "description"}}).decode()


def _state(prediction: client.Prediction) -> str:
    progress = prediction.progress
    running = prediction.status is Status.PROCESSING and progress is not None
    return f"{prediction.status} {progress:.0%}" if running else str(prediction.status)


def _place(place: client.Place) -> str:
    before = f"{place.position} before it" if place.position else "next, or running"
    if not place.is_possible:
        return f"{before}; cannot be run now: {place.reason}"
    return before if place.eta_seconds is None else f"{before}; done in about {place.eta_seconds:.0f} s"


def _took(prediction: client.Prediction) -> str:
    return "" if prediction.metrics is None else f"{prediction.metrics.total_time:.2f} s"


def _about(prediction: client.Prediction) -> str:
    return first_line(prediction.error or prediction.stopped or "")


def _moment(at: datetime) -> str:
    return at.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00") + " UTC"


def _json(value: client.JSON) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode()
