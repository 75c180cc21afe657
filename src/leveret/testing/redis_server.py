"""A private Redis server, for tests and benchmarks: on a free port, in a folder of its own, to be killed at will."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from leveret.errors import UsageError

START_TIMEOUT: Final = 20.0
"""How long the server may take to read its files and answer, in seconds."""


class RedisMissing(UsageError):
    """There is no Redis to start."""

    code = "redis_missing"
    message = (
        "no redis-server is installed; on Debian and Ubuntu: apt install redis-server, on macOS: brew install redis"
    )


class RedisNotStarted(UsageError):
    """The server ended, or did not answer in time."""

    code = "redis_not_started"
    message = "redis-server does not answer on port {port}; its log ends with:\n{log}"


class RedisServer:
    """One redis-server process that writes an append-only file.

    `with RedisServer() as server:` starts and stops it; `kill` and `start` again is a crash that it recovers from.
    With `fsync="everysec"` it answers up to two seconds before it writes when the disk is slow, and a crash may lose
    that; with "always" what was answered is on the disk. `options` are further lines of redis.conf.
    """

    def __init__(
        self, *, fsync: Literal["everysec", "always"] = "everysec", options: Mapping[str, str] | None = None
    ) -> None:
        self._fsync = fsync
        self._further = options or {}
        self._program = shutil.which("redis-server") or shutil.which("valkey-server")
        self._folder = tempfile.TemporaryDirectory(prefix="leveret-redis-")
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens, or did."""
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def pid(self) -> int | None:
        """Its process, if it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it with whatever its folder holds, and wait until it answers. Raises UsageError."""
        if self._program is None:
            raise RedisMissing
        self._process = subprocess.Popen(  # noqa: S603 - our own arguments
            [self._program, *self._options()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_TIMEOUT
        while not _answers(self._port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RedisNotStarted(port=self._port, log=self._log()[-2000:])
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        """Send it a signal: SIGSTOP lets it hang, SIGCONT go on."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as a crash does (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it for good and remove its folder."""
        self.kill()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _options(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self._port),
            "dir": self._folder.name,
            "logfile": "redis.log",
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "save": "",
            **self._further,
        }
        return [argument for name, value in options.items() for argument in (f"--{name}", value)]

    def _log(self) -> str:
        path = Path(self._folder.name, "redis.log")
        return path.read_text(errors="replace") if path.is_file() else "(nothing)"


def free_port() -> int:
    """A free port outside of the range from which the system takes the ports of clients.

    In that range a client that tries to reconnect while the server is down can get connected to itself, and others can
    take the port meanwhile.
    """
    while True:
        port = random.randrange(10_000, 32_000)  # noqa: S311 - no secret
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _answers(port: int) -> bool:
    """Whether it takes commands: one that still reads its files answers with LOADING."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
