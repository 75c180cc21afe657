"""The screen: a prediction as it goes on, for whoever waits for it in a terminal or behind a pipe."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Final, Self

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from leveret.cli.output import first_line, harmless
from leveret.core import events
from leveret.core.events import Entry, Logs, Output, Queued, Reset, Started
from leveret.errors import StreamReset

_WIDEST: Final = 60
"""So many characters of what a run says about its progress are shown."""


class Screen:
    """Shows the entries of one log: a bar on stderr, if that is a terminal, until text comes on stdout.

    `text` is whether the output is printed as it comes, `logs` whether the logs are shown on stderr.
    """

    def __init__(self, prediction_id: str, *, text: bool, logs: bool) -> None:
        self.number = 0
        """That of the last entry."""
        self.some = False
        """Whether some output is printed."""
        self._id = prediction_id
        self._text = text
        self._logs = logs
        self._line_ended = True
        self._bar = _bar()
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._bar.console.is_terminal:
            self._bar.start()
            self._task = self._bar.add_task("sent", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_bar()
        if self.some and not self._line_ended and sys.stdout.isatty():
            sys.stdout.write("\n")

    def note(self, text: str) -> None:
        """Say something beside."""
        self._bar.console.print(Text(f"\n{harmless(text)}"), highlight=False, soft_wrap=True)

    def show(self, entry: Entry) -> None:
        """Show what there is of the entry to see. Raises StreamReset, if it is that and nobody sees it."""
        self.number = entry.number
        match entry.event:
            case Queued():
                self._say("waits for a worker")
            case Started(attempt=attempt):
                self._say("runs" if attempt == 1 else f"runs, attempt {attempt}")
            case events.Progress(fraction=fraction, message=message):
                self._say(first_line(harmless(message))[:_WIDEST] or "runs", fraction)
            case Output(chunks=chunks) if self._text:
                self._print([bytes(chunk) for chunk in chunks])
            case Logs(text=text) if self._logs:
                self._log(text)
            case Reset(attempt=attempt, reason=reason):
                self._reset(attempt, reason)

    def _say(self, state: str, fraction: float | None = None) -> None:
        if self._task is not None:
            total = None if fraction is None else 1.0
            self._bar.update(self._task, description=state, total=total, completed=fraction or 0.0)

    def _print(self, chunks: list[bytes]) -> None:
        """Text as it is, anything else as a line of JSON. A terminal takes no orders from it."""
        self._end_bar()
        texts = [msgspec.json.decode(one, type=str) if one.startswith(b'"') else f"{one.decode()}\n" for one in chunks]
        text = "".join(texts)
        sys.stdout.write(harmless(text) if sys.stdout.isatty() else text)
        sys.stdout.flush()
        self.some = True
        self._line_ended = text.endswith("\n") if text else self._line_ended

    def _log(self, text: str) -> None:
        if self._task is None:
            sys.stderr.write(text)
            sys.stderr.flush()
        else:
            self._bar.console.print(Text(harmless(text)), end="", highlight=False)

    def _reset(self, attempt: int, reason: str) -> None:
        if not self.some:
            self._say("waits for another run")
            return
        if not sys.stdout.isatty():  # what is behind the pipe has read it, and cannot be told to forget it
            raise StreamReset(prediction_id=self._id, attempt=attempt, reason=reason)
        self.note(f"this came to nothing ({reason}) and no longer counts; another run begins")
        self.some = False

    def _end_bar(self) -> None:
        if self._task is not None:
            self._bar.stop()
            self._task = None


def _bar() -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
