"""Where: the place in the user's code, as `file:line`, that a message about a model names."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from types import CodeType, TracebackType
from typing import Final, TypeAlias

Target: TypeAlias = Callable[..., object]
"""What can be a model: a function or a class."""

_NOT_THE_USERS: Final = (str(Path(__file__).parent.parent), str(Path(importlib.__file__).parent), "<frozen importlib")


def of(target: Target) -> str:
    """Where a function or a class is written."""
    if inspect.isclass(target):
        return _of_class(target)
    code = getattr(inspect.unwrap(target), "__code__", None)
    return line(code.co_filename, code.co_firstlineno) if isinstance(code, CodeType) else repr(target)


def of_error(error: BaseException, *, otherwise: str) -> str:
    """Where an import went wrong: the last line that was reached in the file which was imported, if it was."""
    if isinstance(error, SyntaxError) and error.filename:
        return line(error.filename, error.lineno or 1)
    entry = users_part(error.__traceback__)
    if entry is None:
        return otherwise
    file = entry.tb_frame.f_code.co_filename
    reached = entry.tb_lineno
    while entry is not None:
        if entry.tb_frame.f_code.co_filename == file:
            reached = entry.tb_lineno
        entry = entry.tb_next
    return line(file, reached)


def line(file: str | Path, number: int = 1) -> str:
    """A line of a file; the path is relative if the file is below the current folder."""
    path, here = Path(file), Path.cwd()
    return f"{path.relative_to(here) if path.is_relative_to(here) else path}:{number}"


def users_part(entry: TracebackType | None) -> TracebackType | None:
    """The traceback from the first line on that is neither Leveret's nor the import system's."""
    while entry is not None and entry.tb_frame.f_code.co_filename.startswith(_NOT_THE_USERS):
        entry = entry.tb_next
    return entry


def _of_class(target: type) -> str:
    try:
        return line(inspect.getsourcefile(target) or "?", inspect.getsourcelines(target)[1])
    except (OSError, TypeError):
        return repr(target)
