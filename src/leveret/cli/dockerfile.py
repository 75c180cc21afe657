"""The Dockerfile of a model's image."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Annotated, Final

import typer

from leveret.errors import ModelLoadError

_TEXT: Final = Template("""\
# The image of $target, written by `leveret dockerfile`. Build it in this folder: docker build -t NAME .
# It runs a worker, or everything in one process: docker run -p 8000:8000 NAME serve $target
ARG LEVERET=leveret:$version
FROM $${LEVERET}
${installing}COPY . .
CMD ["worker", "$target"]
""")

_SYSTEM: Final = Template("""\
RUN apt-get update -qq \\
  && apt-get install -y -qq --no-install-recommends $packages \\
  && rm -rf /var/lib/apt/lists/*
""")

_REQUIREMENTS: Final = """\
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
"""


_TARGET: Final = re.compile(r"[\w./-]+(:\w+)?")
"""What can stand in a Dockerfile as it is."""

_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9.+-]+")


def dockerfile(
    target: Annotated[str, typer.Argument(help="file.py, file.py:name or package.module:name, below this folder")],
    *,
    apt: Annotated[list[str] | None, typer.Option(help="a Debian package that it needs; may be repeated")] = None,
) -> None:
    """Write the Dockerfile of a model to stdout: it copies this folder and installs its requirements.txt.

    The model is not imported, so what it needs may be missing here.
    """
    sys.stdout.write(written(target, packages=apt or (), folder=Path.cwd()))


def written(target: str, *, packages: Sequence[str], folder: Path) -> str:
    """The text. Raises ModelLoadError for a target that is not below the folder, and typer.BadParameter."""
    _check(target, folder)
    for package in packages:
        if not _PACKAGE.fullmatch(package):
            raise typer.BadParameter(f"{package!r} is not the name of a Debian package", param_hint="--apt")
    steps = [_SYSTEM.substitute(packages=" ".join(sorted(packages)))] if packages else []
    if (folder / "requirements.txt").is_file():
        steps.append(_REQUIREMENTS)
    installing = "".join(["USER root\n", *steps, "USER 10001:10001\n"]) if steps else ""
    return _TEXT.substitute(target=target, version=version("leveret"), installing=installing)


def _check(target: str, folder: Path) -> None:
    place, _, _ = target.partition(":")
    if not _TARGET.fullmatch(target):
        raise ModelLoadError(where=target, reason="it is not file.py, file.py:name or package.module:name")
    if not place.endswith(".py"):
        return
    file = (folder / place).resolve()
    if Path(place).is_absolute() or not file.is_relative_to(folder.resolve()):
        raise ModelLoadError(
            where=place,
            reason="the image gets what is below this folder: go to the folder that holds the model",
        )
    if not file.is_file():
        raise ModelLoadError(where=place, reason="there is no such file")
