"""The rules of the house that a machine can check."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEXTS = [path for path in ROOT.iterdir() if path.suffix in {".md", ".toml"} or path.name == "Makefile"]

MODULE_LINES = 400
FUNCTION_LINES = 40


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_module_is_short_and_opens_with_its_purpose(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)

    assert text.count("\n") <= MODULE_LINES
    assert ast.get_docstring(tree)
    assert [] == [
        f"{node.name}, line {node.lineno}"
        for node in functions(tree)
        if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    ]


def test_a_package_has_at_least_three_modules_and_no_drawer_for_odds_and_ends() -> None:
    for folder in {path.parent for path in SOURCES if path.parent.name != "contrib"}:  # one for each framework
        modules = [path for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
        assert len(modules) >= 3, folder
    assert not {path.stem for path in SOURCES} & {"util", "utils", "common", "helpers", "base", "manager", "misc"}


def test_no_lock_file_names_a_host_or_a_path() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"://|--index-url|--find-links|file:", path.read_text()), path


def test_the_changelog_knows_the_version() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert f"## [{version[1]}]" in changelog or "## [Unreleased]" in changelog


def test_the_readme_is_short() -> None:
    assert (ROOT / "README.md").read_text().count("\n") <= 120
