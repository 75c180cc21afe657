"""The command in a terminal, or behind pipes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PATIENCE: Final = 60.0
_ORDER: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("leveret")), *arguments]


def environment(url: str) -> dict[str, str]:
    """That of this process, without what it says of a leveret, but for where the gateway is."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEVERET_")}
    return inherited | {"LEVERET_URL": url, "COLUMNS": "100", "LINES": "30", "TERM": "xterm"}


def leveret(*arguments: str, url: str, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """The command behind pipes, once it has ended."""
    done = subprocess.run(
        command(*arguments), env=environment(url), input=stdin, capture_output=True, timeout=PATIENCE, check=False
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


class Terminal:
    """`leveret ARGUMENTS…` in a pseudo terminal."""

    def __init__(self, *arguments: str, url: str, size: tuple[int, int] | None = None) -> None:
        """`size` is in lines and columns; without one it is for the environment to say."""
        self.shown = ""
        """Everything that it has been sent."""
        self._size = size
        self._arguments = arguments
        self._url = url

    def __enter__(self) -> Self:
        self._master, slave = pty.openpty()
        variables = environment(self._url)
        if self._size is not None:
            variables = {name: value for name, value in variables.items() if name not in ("COLUMNS", "LINES")}
            self._set_size(*self._size)
        self._process = subprocess.Popen(
            command(*self._arguments), env=variables, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE)
        os.close(self._master)
        if error is not None:
            sys.stderr.write(f"--- terminal\n{self.shown}\n")

    @property
    def text(self) -> str:
        """What it shows, without what it is told about how."""
        return _ORDER.sub("", self.shown)

    def wait_for(self, text: str) -> None:
        """Return as soon as this has been shown."""
        until = time.monotonic() + PATIENCE
        while text not in self.text:
            assert time.monotonic() < until, self.text
            assert self._read(), f"it has ended:\n{self.text}"

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._master, keys.encode())

    def resize(self, lines: int, columns: int) -> None:
        """Make it larger or smaller."""
        self._set_size(lines, columns)
        self._process.send_signal(signal.SIGWINCH)

    @property
    def echoes(self) -> bool:
        """Whether what is typed is shown, as in a terminal that nobody has changed."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Its exit code, once it has ended."""
        while self._read():
            pass
        return self._process.wait(PATIENCE)

    def _set_size(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self) -> bool:
        """Take what has come; False at the end."""
        readable, _, _ = select.select([self._master], [], [], PATIENCE)
        assert readable, self.text
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side has closed
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)
