"""A leveret process under test: started from its command line, killed, and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

QUICK = {
    "LEVERET_WORKER_LEASE": "3",
    "LEVERET_WORKER_BEAT": "0.5",
    "LEVERET_SWEEPER_PERIOD": "0.5",
    "LEVERET_SWEEPER_OUTBOX_AGE": "2",
    "LEVERET_SWEEPER_HOLD": "2",
}
"""Settings with which what a crash leaves behind is mended within seconds."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """`leveret ARGUMENTS…`, its output in a file of the folder; ends with the `with` block at the latest."""

    def __init__(self, *arguments: str, folder: Path, environment: Mapping[str, str] = QUICK) -> None:
        self._arguments = arguments
        self._folder = folder
        self._log = folder / f"{arguments[0]}-{free_port()}.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEVERET_")}
        self._environment = {**inherited, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
        if error is not None:
            sys.stderr.write(f"--- {self._log.name}\n{self.log[-4000:]}\n")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("leveret")), *self._arguments]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def wait_ready(self, times: int = 1, patience: float = 60.0) -> Self:
        """Wait until it has said `ready` this often, counted over all its starts."""
        until = time.monotonic() + patience
        while self.log.count("ready at") + self.log.count("ready: consuming") < times:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log[-4000:]}"
            assert time.monotonic() < until, f"not ready in {patience} s:\n{self.log[-4000:]}"
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """End it as a power cut would: no warning, no farewell."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def terminate(self, patience: float = 30.0) -> int:
        """Ask it to stop and answer its exit code."""
        self.process.terminate()
        return self.process.wait(patience)
