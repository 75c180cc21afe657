"""Output: what the commands print, for people and for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

_ENDLESS: Final = 100_000
"""The width of what is no terminal: nothing is folded there."""

_encoder: Final = msgspec.json.Encoder()


def say(text: Text) -> None:
    """Print to stderr as it is, on one line however long, with nothing in it taken for markup."""
    Console(stderr=True).print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)


def tell(text: str) -> None:
    """Print to stdout, likewise; a terminal takes no orders from it."""
    Console().print(Text(harmless(text)), soft_wrap=True, markup=False, highlight=False, emoji=False)


def tabulate(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; in a terminal the last column gives way."""
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for column in table.columns[:-1]:
        column.no_wrap = True
        column.overflow = "fold"
    for row in rows:
        table.add_row(*[Text(harmless(cell)) for cell in row])
    console = Console()
    if not console.is_terminal:
        console = Console(width=_ENDLESS)
    console.print(table, markup=False, highlight=False, emoji=False)


def dump(content: object) -> None:
    """Print JSON to stdout, on one line."""
    sys.stdout.write(_encoder.encode(content).decode() + "\n")


def first_line(text: str) -> str:
    """What of a text stands in a table."""
    return text.partition("\n")[0]


def harmless(text: str) -> str:
    """The text with what a terminal would obey written out: errors and foreign messages are anybody's."""
    return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)
