"""What arrives is never unpickled: no module of ours can, so whoever may write a message cannot have code run by it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parent.parent / "src").rglob("*.py"))
FORBIDDEN = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}


def imported(tree: ast.Module) -> Iterator[str]:
    """The packages that a module imports, also inside of functions, and also by name."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (one.name.partition(".")[0] for one in names)
            case ast.ImportFrom(module=str(module)):
                yield module.partition(".")[0]
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[argument, *_],
            ):
                if isinstance(argument, ast.Constant):
                    yield str(argument.value).partition(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_module_imports_what_could_run_code_that_it_reads(path: Path) -> None:
    assert not FORBIDDEN & set(imported(ast.parse(path.read_text())))


def test_the_search_finds_what_it_looks_for() -> None:
    hidden = "def f():\n from pickle import loads\nimport marshal as m\nimport_module('dill.x')\n__import__('shelve')"

    assert {"pickle", "marshal", "dill", "shelve"} == set(imported(ast.parse(hidden)))
