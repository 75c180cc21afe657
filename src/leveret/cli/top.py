"""`leveret top`: models, lanes, workers, rates and latencies, as they are now and again and again."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.live import Live

from leveret.cli.board import board
from leveret.cli.keyboard import LEFT, RESIZED, Keyboard, keyboard
from leveret.cli.look import Look, Watcher
from leveret.cli.output import dump
from leveret.cli.remote import Json, Url, connected
from leveret.config import GATEWAY_URL
from leveret.errors import LeveretError

if TYPE_CHECKING:
    from rich.console import RenderableType

TIMEOUT: Final = 5.0
"""So long a gateway may take to answer, in seconds; what it has last said stays on the screen meanwhile."""

WIDEST: Final = 1000
"""The width of what is no terminal: nothing gives way there."""

_QUIT: Final = ("q", "Q", LEFT)


def top(
    *,
    once: Annotated[bool, typer.Option("--once", help="look once, and end")] = False,
    interval: Annotated[float, typer.Option(min=0.2, max=3600, help="seconds between two looks")] = 2.0,
    json: Json = False,
    url: Url = GATEWAY_URL,
) -> None:
    """Watch models, lanes, workers, rates and latencies live; q or Ctrl-C ends it. Takes a key with the scope admin."""
    with connected(url, timeout=TIMEOUT) as client:
        watcher = Watcher(client.monitor)
        look = watcher.look()
        if json:
            _dump(watcher, look, interval=None if once else interval)
        elif once or not sys.stdout.isatty():
            console = Console(highlight=False)
            if not console.is_terminal:
                console = Console(highlight=False, width=WIDEST)
            console.print(board(look, url=url, width=console.width))
        else:
            _Screen(watcher, look, url=url, interval=interval).run()


def _dump(watcher: Watcher, look: Look, *, interval: float | None) -> None:
    """A line for each look, for ever unless there is to be one only."""
    dump(look)
    while interval is not None:
        sys.stdout.flush()
        time.sleep(interval)
        dump(watcher.look())


class _Screen:
    """Shows look after look until somebody has enough. A gateway that does not answer keeps no key from being heard."""

    def __init__(self, watcher: Watcher, look: Look, *, url: str, interval: float) -> None:
        self._watcher = watcher
        self._look = look
        self._url = url
        self._interval = interval
        self._trouble = ""
        self._console = Console(highlight=False)
        self._over = threading.Event()

    def run(self) -> None:
        """Until q is pressed."""
        with keyboard() as keys:
            looking = threading.Thread(target=self._keep_looking, args=(keys,), daemon=True)
            looking.start()
            try:
                with Live(console=self._console, screen=True, auto_refresh=False) as live:
                    self._show(live, keys)
            finally:
                self._over.set()
                looking.join(TIMEOUT)

    def _show(self, live: Live, keys: Keyboard) -> None:
        key = RESIZED
        while key not in _QUIT:
            live.update(self._board(), refresh=True)
            key = keys.wait()

    def _keep_looking(self, keys: Keyboard) -> None:
        while not self._over.wait(self._interval):
            try:
                self._look, self._trouble = self._watcher.look(), ""
            except LeveretError as error:
                self._trouble = str(error)
            if not self._over.is_set():
                keys.ring()

    def _board(self) -> RenderableType:
        width, height = self._console.size
        return board(self._look, url=self._url, width=width, height=height, trouble=self._trouble)
