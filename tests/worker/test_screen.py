"""The screen: what is left of what was written."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from itertools import islice
from typing import TypeAlias

import pytest
from tqdm import tqdm  # type: ignore[import-untyped]

from leveret.worker.child.screen import Bar, Screen

LONG = 64 * 1024


def shown(text: str | bytes, *, step: int | None = None) -> str:
    """Everything that is shown of this, fed in pieces of this many bytes."""
    data = text.encode() if isinstance(text, str) else text
    step = step or max(1, len(data))
    screen = Screen()
    return "".join([screen.feed(data[at : at + step]) for at in range(0, len(data), step)]) + screen.finish()


Bars: TypeAlias = Callable[..., Iterable[int]]


def plain(bar: Bars, file: io.StringIO) -> None:
    for _ in bar(50):
        pass


def broken(bar: Bars, file: io.StringIO) -> None:
    for _ in islice(bar(50), 20):
        pass


def printing(bar: Bars, file: io.StringIO) -> None:
    for step in bar(4):
        print(f"step {step}", file=file)


def writing(bar: Bars, file: io.StringIO) -> None:
    for step in bar(4):
        tqdm.write(f"step {step}", file=file)


def nested(bar: Bars, file: io.StringIO) -> None:
    for _ in bar(3, desc="outer"):
        for _ in bar(5, desc="inner", leave=False):
            pass


def two(bar: Bars, file: io.StringIO) -> None:
    for name in ("first", "second"):
        for _ in bar(10, desc=name):
            pass


def no_total(bar: Bars, file: io.StringIO) -> None:
    for _ in bar(30, total=float("inf")):
        pass


Loop: TypeAlias = Callable[[Bars, io.StringIO], None]


def drawing(loop: Loop, **options: object) -> str:
    """What tqdm writes; every step is drawn."""
    file = io.StringIO()
    given = {"file": file, "mininterval": 0, "miniters": 1, "ascii": True, **options}
    loop(lambda steps, **more: tqdm(range(steps), **given, **more), file)
    return file.getvalue()


@pytest.mark.parametrize("step", [1, 2, 7, None])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\n", "one\ntwo\n"),
        ("\n\none\n\n", "\n\none\n\n"),
        ("no end", "no end\n"),
        ("dos\r\nlines\r\n", "dos\nlines\n"),
        ("first\rsecond\n", "second\n"),
        ("first\rsecond", "second\n"),
        ("working\r       \r", ""),
        ("working\r       \rdone\n", "done\n"),
        ("1/3\r2/3\r3/3\nready\n", "3/3\nready\n"),
        ("café ☕\n", "café ☕\n"),
        ("", ""),
    ],
)
def test_of_what_is_written_over_the_last_is_kept(text: str, expected: str, step: int | None) -> None:
    assert expected == shown(text, step=step)


def test_a_complete_line_is_shown_at_once_and_an_incomplete_one_when_it_is_complete() -> None:
    screen = Screen()

    assert ["one\n", "", "two\n"] == [screen.feed(data) for data in (b"one\ntw", b"o", b"\n")]


def test_a_line_without_end_is_shown_in_parts_and_ended() -> None:
    screen = Screen()

    parts = [screen.feed(b"x" * (LONG + 1)), screen.feed(b"y"), screen.finish()]

    assert ["x" * (LONG + 1), "", "y\n"] == parts
    assert "x" * (LONG + 1) + "\n" == shown(b"x" * (LONG + 1))


@pytest.mark.parametrize(
    "data", [b"\xff\xfe\n", b"half \xe2\x98", b"\r" * 100_000, b"\x1b[A" * 1000, b"\n\x1b[A" * 1000]
)
def test_nothing_is_too_odd_to_be_shown(data: bytes) -> None:
    for step in (1, 3, None):
        assert len(shown(data, step=step)) <= 1000


@pytest.mark.parametrize("step", [1, 5, 64, None])
@pytest.mark.parametrize(
    ("loop", "lines"),
    [
        (plain, ["100%|##########| 50/50 "]),
        (broken, [" 38%|###8      | 19/50 "]),
        (printing, ["step 0", "step 1", "step 2", "step 3", "100%|##########| 4/4 "]),
        (writing, ["step 0", "step 1", "step 2", "step 3", "100%|##########| 4/4 "]),
        (nested, ["outer: 100%|##########| 3/3 "]),
        (two, ["first: 100%|##########| 10/10 ", "second: 100%|##########| 10/10 "]),
        (no_total, ["30it "]),
    ],
)
def test_of_a_bar_its_last_state_is_kept_as_a_line(loop: Loop, lines: list[str], step: int | None) -> None:
    kept = shown(drawing(loop), step=step).splitlines()

    assert lines == [line.partition("[")[0] for line in kept]


@pytest.mark.parametrize(
    ("loop", "options", "last"),
    [
        (plain, {}, Bar(1.0, "50/50")),
        (broken, {}, Bar(0.38, "19/50")),
        (broken, {"desc": "Denoising"}, Bar(0.38, "Denoising: 19/50")),
        (broken, {"desc": "Reading", "unit": "B", "unit_scale": True}, Bar(0.38, "Reading: 19.0/50.0")),
        (broken, {"colour": "green", "postfix": {"loss": 0.5}}, Bar(0.38, "19/50")),
        (nested, {}, Bar(1.0, "outer: 3/3")),
        (two, {}, Bar(1.0, "second: 10/10")),
        (no_total, {}, None),
    ],
)
def test_how_far_a_bar_is_can_be_read(loop: Loop, options: dict[str, object], last: Bar | None) -> None:
    screen = Screen()

    screen.feed(drawing(loop, **options).encode())

    assert last == screen.bar


def test_of_nested_bars_the_outer_one_counts() -> None:
    screen, seen = Screen(), []

    for piece in drawing(nested).encode().split(b"\r"):
        screen.feed(b"\r" + piece)
        seen.append(screen.bar.message if screen.bar else "")

    assert ["outer: 0/3", "outer: 1/3", "outer: 2/3", "outer: 3/3"] == [one for one in dict.fromkeys(seen) if one]


def test_a_line_below_a_bar_is_shown_with_it_at_once() -> None:
    screen = Screen()

    assert "" == screen.feed(b"\r100%|##########| 4/4 [00:01<00:00, 4.0it/s]\n")
    assert "100%|##########| 4/4 [00:01<00:00, 4.0it/s]\nsaved\n" == screen.feed(b"saved\n")
