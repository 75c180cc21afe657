"""A model process for tests, spoken to over a real socket pair, without the worker's own handle."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from leveret.core.outcome import Outcome
from leveret.worker.frames import Ended, Frame, Item, Loaded, Ready, Run, Splitter, ToChild, encode

PATIENCE = 30.0
"""So long a test waits for what must come, in seconds."""

T = TypeVar("T", bound=Frame)


class ChildProcess:
    """The process and the worker's end of its socket pair."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket, stderr: Path) -> None:
        self.process = process
        self.connection = connection
        self._stderr = stderr
        self._splitter = Splitter()
        self._received: deque[Frame] = deque()
        self.loaded: list[Ready] = []
        self._number = 0

    def send(self, *frames: ToChild) -> None:
        self.connection.sendall(b"".join([encode(frame) for frame in frames]))

    def receive(self, kind: type[T]) -> T:
        """The next frame, which must be of this kind."""
        frame = self.next()
        assert isinstance(frame, kind), (frame, self.complaints())
        return frame

    def next(self) -> Frame:
        while not self._received:
            data = self.connection.recv(1 << 18)
            assert data, f"the process has closed its end: {self.complaints()}"
            said = self._splitter.feed(data)
            self.loaded += [frame.ready for frame in said if isinstance(frame, Loaded)]
            self._received.extend([frame for frame in said if not isinstance(frame, Loaded)])
        return self._received.popleft()

    def items(self, *inputs: bytes) -> list[Item]:
        """An item for each of these inputs."""
        self._number += 1
        return [Item(f"{self._number}-{place}", 1, data) for place, data in enumerate(inputs)]

    def run(self, *inputs: bytes) -> list[Outcome]:
        """Run these and wait for their outcomes, in their order."""
        outcomes, _ = self.watch(*inputs)
        return outcomes

    def watch(self, *inputs: bytes) -> tuple[list[Outcome], list[Frame]]:
        """The outcomes of these, in their order, and everything else that was said before the last one."""
        items = self.items(*inputs)
        self.send(Run(items))
        outcomes: dict[str, Outcome] = {}
        said: list[Frame] = []
        while len(outcomes) < len(items):
            match self.next():
                case Ended(id=prediction_id, outcome=outcome):
                    assert prediction_id not in outcomes
                    outcomes[prediction_id] = outcome
                case frame:
                    said.append(frame)
        return [outcomes[item.id] for item in items], said

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE)

    def complaints(self) -> str:
        """What the process has written to stderr."""
        return self._stderr.read_text()


@contextmanager
def child_process(target: str, *, folder: Path, as_stdin: bool = False) -> Iterator[ChildProcess]:
    """A model process for this target. It is killed when the block is left, if it has not ended."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE)
    stderr = folder / "stderr"
    with ours, stderr.open("wb") as errors:
        with theirs:
            descriptor = 0 if as_stdin else theirs.fileno()
            process = subprocess.Popen(
                [sys.executable, "-m", "leveret.worker.child", str(descriptor), target],
                stdin=theirs.fileno() if as_stdin else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=() if as_stdin else (descriptor,),
                cwd=folder,
            )
        try:
            yield ChildProcess(process, ours, stderr)
        finally:
            process.kill()
            process.wait()


def ends(pid_descriptor: int) -> bool:
    """Whether the process of this pidfd ends within our patience."""
    readable, _, _ = select.select([pid_descriptor], [], [], PATIENCE)
    return bool(readable)
