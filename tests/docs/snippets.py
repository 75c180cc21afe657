"""Snippets: the code blocks of a page, run one after the other as a reader would.

A block of Python or of shell commands is run; what is not to be run is `text`, or another language. All of a page share
their names, and their folder. They find the gateway where the page says that it is.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from types import CodeType
from typing import Final

from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

ROOT: Final = Path(__file__).parent.parent.parent
PAGES: Final = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md"])
_DEFAULT: Final = "127.0.0.1:8000"
_TIMEOUT: Final = 60.0


class Runner:
    """Runs the snippets of one page in this folder, at the gateway of this address."""

    def __init__(self, folder: Path, address: str, environment: dict[str, str]) -> None:
        self._folder = folder
        self._address = address
        self._environment = environment

    def run(self, page: Path) -> int:
        """Run them all; how many there were."""
        parsers = [CodeBlockParser("python", self._python), CodeBlockParser("sh", self._shell)]
        document = Sybil(parsers=parsers, path=str(page.parent), pattern=page.name).parse(page)
        document.namespace["__name__"] = page.stem
        count = 0
        for example in document.examples():
            example.evaluate()
            count += 1
        return count

    def _python(self, example: Example) -> None:
        source = "\n" * (example.line + example.parsed.line_offset) + self._placed(example.parsed)
        code: CodeType = compile(source, example.path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, example.namespace))
        else:
            exec(code, example.namespace)

    def _shell(self, example: Example) -> None:
        script = self._placed(example.parsed)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self._folder,
            env={**os.environ, **self._environment, "PATH": path},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, f"{example.path}:{example.line}\n{script}\n{done.stdout}\n{done.stderr}"
        assert '"status":4' not in done.stdout, f"{example.path}:{example.line}\n{script}\n{done.stdout}"

    def _placed(self, text: str) -> str:
        return text.replace(_DEFAULT, self._address)


def links(page: Path) -> list[str]:
    """Where its links lead that stay in the repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL))
    return [link for link in found if "://" not in link]


def anchors(page: Path) -> set[str]:
    """The names of its headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def first_python(page: Path) -> str:
    """Its first block of Python."""
    found = re.search(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert found is not None
    return found[1]
