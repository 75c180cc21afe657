"""A builder of images without a container engine: buildah, which runs each step in a chroot."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Final, Self

ROOT: Final = Path(__file__).parent.parent.parent
BASE: Final = "localhost/base"
_PACKAGES: Final = "ca-certificates,passwd,python3,python3-venv"
_TIMEOUT: Final = 300.0

_OURS: Final = tuple(path for name in ("/etc/ssl/certs", "/etc/pip.conf") if (path := Path(name)).exists())
"""What of this machine says how packages are reached; the steps of a build see it, the image does not keep it."""


class Builder:
    """Builds and runs images, which it keeps in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def import_base(self) -> None:
        """Make the image to begin with: a small Debian with Python, as this machine's own release has it."""
        release = _release()
        archive = self._folder / "base.tar"
        _run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", release, str(archive))
        recipe = self._folder / "Basefile"
        recipe.write_text(f"FROM scratch\nADD {archive.name} /\n")
        self.build(self._folder, BASE, file=recipe)
        archive.unlink()

    def build(self, context: Path, name: str, *, file: Path | None = None, **arguments: str) -> None:
        """Build an image from the Dockerfile of a folder."""
        seen = [f"--volume={path}:{path}:ro" for path in _OURS]
        given = [f"--build-arg={key.upper()}={value}" for key, value in arguments.items()]
        recipe = file or context / "Dockerfile"
        self._buildah(
            "build", "--isolation=chroot", "--format=docker", *seen, *given, "-f", str(recipe), "-t", name, str(context)
        )

    def inspect(self, name: str, template: str) -> str:
        """What an image says of itself."""
        return self._buildah("inspect", "--type=image", f"--format={template}", name).strip()

    @contextmanager
    def container(self, name: str) -> Iterator[Container]:
        """A container from an image."""
        made = self._buildah("from", name).strip()
        try:
            yield Container(self._command, made)
        finally:
            self._buildah("rm", made)

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _command(self) -> tuple[str, ...]:
        places = (f"--root={self._folder / 'images'}", f"--runroot={self._folder / 'run'}")
        return ("buildah", *places)

    def _buildah(self, *arguments: str) -> str:
        return _run(*self._command, *arguments)


class Container:
    """One container: what is run in it is a process of this machine, in the image's files."""

    def __init__(self, command: tuple[str, ...], name: str) -> None:
        self._command = command
        self._name = name

    def arguments(self, *line: str, **variables: str) -> tuple[str, ...]:
        """The command line that runs one in it."""
        given = [f"--env={key}={value}" for key, value in variables.items()]
        return (*self._command, "run", "--isolation=chroot", *given, self._name, "--", *line)

    def run(self, *line: str, **variables: str) -> str:
        """Run one to its end; what it printed."""
        return _run(*self.arguments(*line, **variables))

    def succeeds(self, *line: str, **variables: str) -> bool:
        """Whether one ends well."""
        done = subprocess.run(self.arguments(*line, **variables), capture_output=True, timeout=_TIMEOUT, check=False)
        return done.returncode == 0

    @contextmanager
    def running(self, *line: str, until: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
        """One that runs, once it has said this; it is asked to end, and must have ended well."""
        arguments = self.arguments(*line, **variables)
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            said: list[str] = []
            try:
                for text in process.stdout:
                    said.append(text)
                    if until in text:
                        break
                assert said, line
                assert until in said[-1], "".join(said)
                drain = Thread(target=process.stdout.read, daemon=True)
                drain.start()
                yield process
            finally:
                process.terminate()
                process.wait(_TIMEOUT)


def missing() -> str:
    """Why no image can be built here, if none can."""
    if os.geteuid() != 0:
        return "a chroot needs root"
    tools = [tool for tool in ("buildah", "mmdebstrap") if shutil.which(tool) is None]
    return f"not installed: {', '.join(tools)}" if tools else ""


def _release() -> str:
    words = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return words["VERSION_CODENAME"].strip('"')


def _run(*line: str) -> str:
    done = subprocess.run(line, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout
