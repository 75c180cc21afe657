"""The board: a look as tables, as much of it as a terminal has room for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from leveret.cli.look import Gateway, Look, Model, Worker
from leveret.cli.output import first_line, harmless

WIDE: Final = 115
"""From so many columns on everything is shown."""

_GAP: Final = 2
_SHORTEST: Final = 12
"""So much of a name is shown at the least."""

Row: TypeAlias = Sequence[Text]

_HEAD: Final = 4
"""Lines above the tables, those between included."""

_FEWEST: Final = 3
"""So many rows of models are shown however low the terminal is."""

_DASH: Final = "-"


def board(look: Look, *, url: str, width: int, height: int | None = None, trouble: str = "") -> RenderableType:
    """All of it, or what fits into so many columns and lines. `trouble` is why there is nothing newer."""
    models, workers = [_model(one) for one in look.models], [_worker(one) for one in look.workers]
    columns = [column for column in _MODELS if width >= WIDE or column not in _FOR_THE_WIDE]
    models = [[row[_MODELS.index(column)] for column in columns] for row in models]
    for_models, for_workers = _shared(len(models), len(workers), height)
    return Group(
        _title(look, url, trouble),
        _gateway(look.gateway),
        Text(),
        _table(columns, models, most=for_models, width=width),
        Text(),
        _table(_WORKERS, workers, most=for_workers, width=width),
    )


def _shared(models: int, workers: int, height: int | None) -> tuple[int, int]:
    """How many rows each table may have: the models half of the room, and what the workers do not need."""
    if height is None:
        return models, workers
    room = max(0, height - _HEAD - 2)  # two headings
    least = min(workers, room // 2)
    for_models = max(_FEWEST, room - least)
    return for_models, max(0, room - min(models, for_models))


def _title(look: Look, url: str, trouble: str) -> Text:
    at = datetime.fromtimestamp(look.at, UTC).strftime("%H:%M:%S UTC")
    state = ("ready", "green") if look.gateway.ready else ("not ready", "bold red")
    title = Text.assemble(
        ("leveret", "bold"), f"  {harmless(url)}  ", state, f"  {at}", no_wrap=True, overflow="ellipsis"
    )
    if trouble:
        title.append(f"  no answer since: {first_line(harmless(trouble))}", style="red")
    return title


def _gateway(gateway: Gateway) -> Text:
    told = [
        f"requests {_rate(gateway.requests)}",
        f"95 % answered in {_seconds(gateway.answer)}",
        f"problems {_rate(gateway.problems)}",
        f"followers {gateway.followers}",
    ]
    line = Text("  ".join(told), no_wrap=True, overflow="ellipsis")
    if gateway.outbox is not None:
        late = (gateway.outbox_age or 0.0) > 60
        age = f" ({_seconds(gateway.outbox_age)})" if gateway.outbox else ""
        line.append(f"  outbox {gateway.outbox}{age}", style="red" if late else "")
    return line


_MODELS: Final = (
    *("model", "workers", "busy", "waiting", "by lane"),
    *("in/s", "out/s", "run", "wait", "95 % wait", "95 % run", ""),
)
_WORKERS: Final = ("worker", "model", "busy", "")
_NAMES: Final = frozenset({"worker", "model", ""})
_FOR_THE_WIDE: Final = frozenset({"waiting", "95 % wait", "95 % run"})
"""What there is no room for in 80 columns; what waits stands there by lane."""


def _model(one: Model) -> Row:
    full, alone = one.running >= one.slots > 0, not one.workers
    return [
        Text(harmless(one.model), style="bold"),
        Text(str(one.workers), style="red" if alone and one.waiting else ""),
        Text(f"{one.running}/{one.slots}", style="yellow" if full else ""),
        Text(str(one.waiting), style="yellow" if one.waiting else ""),
        Text(" ".join(map(str, one.lanes))),
        Text(_figure(one.submitted)),
        Text(_figure(one.ended)),
        Text(_seconds(one.mean_run)),
        Text(_seconds(one.wait)),
        Text(_seconds(one.queued_95)),
        Text(_seconds(one.run_95)),
        Text(first_line(harmless(one.problem or "")), style="red"),
    ]


def _worker(one: Worker) -> Row:
    return [
        Text(harmless(one.id)),
        Text(harmless(one.model)),
        Text(f"{one.running}/{one.slots}"),
        Text(first_line(harmless(one.problem or "")), style="red"),
    ]


def _table(columns: Sequence[str], rows: Sequence[Row], *, most: int, width: int) -> Table:
    """With a line that says how many more there are, if there are."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for column, given in zip(columns, _widths(columns, rows, width), strict=True):
        justify: JustifyMethod = "left" if column in _NAMES else "right"
        table.add_column(column, no_wrap=True, overflow="ellipsis", justify=justify, width=given)
    shown = rows if len(rows) <= most else rows[: max(0, most - 1)]
    for row in shown:
        table.add_row(*row)
    if len(shown) < len(rows) and most:
        table.add_row(Text(f"and {len(rows) - len(shown)} more", style="dim"))
    return table


def _widths(columns: Sequence[str], rows: Sequence[Row], width: int) -> list[int]:
    """Names give way to each other and to numbers, which do not."""
    widths = [max([len(column), *(row[place].cell_len for row in rows)]) for place, column in enumerate(columns)]
    names = [place for place, column in enumerate(columns) if column in _NAMES]
    room = width - _GAP * len(columns) - sum(widths[place] for place in range(len(columns)) if place not in names)
    for place in names:
        later = sum(min(widths[other], _SHORTEST) for other in names if other > place)
        widths[place] = min(widths[place], max(_SHORTEST, room - later))
        room -= widths[place]
    return widths


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value else "0"


def _rate(value: float | None) -> str:
    return _DASH if value is None else f"{_figure(value)}/s"


def _seconds(value: float | None) -> str:
    if value is None:
        return _DASH
    if value < 0.0005:
        return "0"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.0f} h"
