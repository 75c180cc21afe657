"""A site under test: a gateway, a worker and a model process, embedded or on RabbitMQ and Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import psutil

from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

KIBIBYTE: Final = 1024


class Site:
    """Where it is, and its processes by the part that they play."""

    def __init__(self, port: int, processes: Mapping[str, psutil.Process]) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._processes = processes

    def resident(self) -> dict[str, int]:
        """How much memory each process has now, in bytes; from now on its peak is measured anew."""
        for process in self._processes.values():
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")
        return {part: process.memory_info().rss for part, process in self._processes.items()}

    def peaks(self) -> dict[str, int]:
        """The most memory that each process has had, in bytes."""
        return {part: _peak(process.pid) for part, process in self._processes.items()}


@contextmanager
def embedded(folder: Path, target: str) -> Iterator[Site]:
    """Everything but the model in one process."""
    port = free_port()
    with Program("serve", target, "--port", str(port), folder=folder) as server:
        server.wait_ready()
        yield Site(port, {"server": psutil.Process(server.process.pid), "model": _model(server)})


@contextmanager
def apart(folder: Path, target: str) -> Iterator[Site]:
    """A gateway and a worker on RabbitMQ and Redis."""
    port = free_port()
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer())
        environment = {**QUICK, **rabbit.a_namespace(), "LEVERET_STORE_URL": redis.url}
        gateway, worker = (
            stack.enter_context(Program(*command, folder=folder, environment=environment))
            for command in (("gateway", "--port", str(port)), ("worker", target))
        )
        for program in (gateway, worker):
            program.wait_ready()
        parts = {
            "gateway": psutil.Process(gateway.process.pid),
            "worker": psutil.Process(worker.process.pid),
            "model": _model(worker),
        }
        yield Site(port, parts)


def _model(program: Program) -> psutil.Process:
    (model,) = psutil.Process(program.process.pid).children()
    return model


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * KIBIBYTE
