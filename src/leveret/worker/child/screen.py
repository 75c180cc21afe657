"""The screen: what a terminal would show of what is written, line by line, and how far a progress bar is."""

from __future__ import annotations

import codecs
import re
from typing import Final

from msgspec import Struct

_LONGEST: Final = 64 * 1024
"""A line that goes on for more characters than this is shown as far as it is known."""

_MOST_ROWS: Final = 16
"""So many bars may be drawn below each other; tqdm itself shows 20 at most."""

_WIDEST: Final = 1000
"""What is longer is no bar, in characters; so that it is never searched for long."""

_UP: Final = "\x1b[A"
_MOVE: Final = re.compile(r"(\n|\r|\x1b\[A)")
_BAR: Final = re.compile(r"(?P<title>.*?)(?P<percent>\d{1,3})%\|.*\| *(?P<done>\S+)/(?P<total>\S+) \[\d+:\d\d")
_END: Final = re.compile(r"\[\d+:\d\d.*\] *")
"""How a tqdm bar ends, whether its total is known or not: `[00:01<00:02, 9.87it/s]`."""

_TORN: Final = re.compile(r"\x1b\[?\Z")
"""The beginning of a sequence whose rest has not come yet."""

_utf8: Final = codecs.getincrementaldecoder("utf-8")


class Bar(Struct, frozen=True):
    """How far a progress bar is, from 0 to 1, and what it says: its title and how many of how many are done."""

    fraction: float
    message: str


class _Row:
    """A line that may still change. `home` is whether what comes next is written over it."""

    __slots__ = ("bar", "home", "redrawn", "text")

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.bar: Bar | None = None
        self.home = False
        self.redrawn = False

    @property
    def drawn(self) -> bool:
        """Whether it is a complete bar."""
        return self.redrawn and _end(self.text) is not None

    def write(self, text: str) -> None:
        """Write here. Whatever is printed behind a bar takes its place: the bar will be drawn again."""
        text = text if self.home else (self.text + text)[:_LONGEST]
        self.redrawn = self.redrawn or self.home
        self.home = False
        self.bar = _read(text)
        end = _end(text) if self.redrawn else None
        self.text = text if end is None else text[end:] or text

    def line(self) -> str:
        """What is left of it in the end."""
        text = self.text.rstrip() if self.redrawn else self.text
        return f"{text}\n" if text or not self.redrawn else ""


class Screen:
    """Holds what may still change: the line that is being written, and bars that are drawn over and over.

    tqdm draws a bar over the last one after a carriage return, and reaches the bars below it by line feeds and
    the way back by moving the cursor up. So the rows from the first bar on are held until a line that is none stands
    below them. What is not UTF-8 is replaced.
    """

    def __init__(self) -> None:
        self._decoder = _utf8("replace")
        self._begin()

    def feed(self, data: bytes) -> str:
        """The lines that do not change any more."""
        self.used = True
        text = self._whole(self._torn + self._decoder.decode(data))
        (row, *more) = self._rows
        if more or row.home or row.redrawn or "\r" in text or _UP in text:
            shown = self._draw(text)
        else:
            text = row.text + text
            end = text.rfind("\n") + 1
            if len(text) - end > _LONGEST:
                end = len(text)
            shown, row.text = text[:end], text[end:]
        if shown:
            self._broken_off = not shown.endswith("\n")
        return shown

    def finish(self) -> str:
        """What was still being written; begins anew."""
        rest = self._draw(self._torn + self._decoder.decode(b"", final=True))
        if self._rows[-1].text == "" and not self._broken_off:
            self._rows.pop()
        rest += "".join([row.line() for row in self._rows])
        self._begin()
        return rest

    def _begin(self) -> None:
        self.used = False
        self.bar: Bar | None = None
        self._rows = [_Row()]
        self._cursor = 0
        self._torn = ""
        self._broken_off = False

    def _whole(self, text: str) -> str:
        torn = _TORN.search(text)
        self._torn = torn[0] if torn else ""
        return text.removesuffix(self._torn)

    def _draw(self, text: str) -> str:
        shown = ""
        for piece in filter(None, _MOVE.split(text)):
            row = self._rows[self._cursor]
            match piece:
                case "\n":
                    shown += self._feed_line(row)
                case "\r":
                    row.home = True
                case "\x1b[A":
                    self._cursor = max(0, self._cursor - 1)
                case _:
                    row.write(piece)
                    self.bar = self.bar if row.bar is None else self._leading()
        return shown

    def _feed_line(self, row: _Row) -> str:
        """Go to the next row; whatever cannot be reached any more is shown."""
        self._cursor += 1
        gone = max(0, self._cursor - _MOST_ROWS) if row.drawn else self._cursor
        shown = "".join([row.line() for row in self._rows[:gone]])
        self._rows = self._rows[gone:]
        self._cursor -= gone
        if self._cursor == len(self._rows):
            self._rows.append(_Row())
        return shown

    def _leading(self) -> Bar | None:
        """The outermost bar that is not full: bars inside of it begin again and again."""
        bars = [row.bar for row in self._rows if row.bar is not None]
        return next((bar for bar in bars if bar.fraction < 1), bars[-1])


def _end(text: str) -> int | None:
    """Where the bar ends that this begins with."""
    found = _END.search(text, 0, _WIDEST)
    return None if found is None else found.end()


def _read(text: str) -> Bar | None:
    found = _BAR.match(text, 0, _WIDEST)
    if found is None:
        return None
    title, done, total = found["title"].rstrip(" :"), found["done"], found["total"]
    fraction = int(found["percent"]) / 100
    if done.isdecimal() and total.isdecimal() and int(total):
        fraction = int(done) / int(total)
    return Bar(min(fraction, 1.0), f"{title}: {done}/{total}" if title else f"{done}/{total}")
