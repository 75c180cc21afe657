"""The deployment: a gateway and workers with their model processes on a RabbitMQ and a Redis of their own."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil
from pika.exceptions import AMQPError

from leveret.testing.rabbitmq_server import NoRabbitMQ, RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.chaos.history import History, Remains
from tests.chaos.queues import Queues
from tests.chaos.records import Records
from tests.system.program import QUICK, Program, free_port

MODELS: Final = ("local/square", "local/count")

MODEL: Final = """
import json
import os
import time
from collections.abc import Iterator

from leveret import Context, model


def note(context: Context, *, ended: bool = False) -> None:
    # One write, appended whole: several processes share the file.
    said = {"type": "ran", "at": time.time(), "id": context.id, "attempt": context.attempt}
    line = json.dumps({**said, "process": os.getpid(), "ended": ended}) + "\\n"
    file = os.open(os.environ["CHAOS_RUNS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, line.encode())
    os.close(file)


@model
def square(n: int, seconds: float, context: Context) -> int:
    note(context)
    context.log("begun")
    time.sleep(seconds)
    note(context, ended=True)
    return n * n


@model
def count(n: int, seconds: float, context: Context) -> Iterator[int]:
    note(context)
    for step in range(3):
        time.sleep(seconds / 3)
        context.progress((step + 1) / 3)
        yield n + step
    note(context, ended=True)
"""

LANES_PATIENCE: Final = 20.0
"""Seconds in which a worker that lives makes again what was deleted."""

SETTINGS: Final = {
    **QUICK,
    "LEVERET_GATEWAY_KEEP_ALIVE": "1",
    "LEVERET_WORKER_GRACE": "5",
    "LEVERET_WORKER_CANCEL_GRACE": "1",
    # What dies here is never to blame for it, however often it is struck.
    "LEVERET_WORKER_MAX_ATTEMPTS": "100",
}


class Deployment:
    """Everything that runs; `with` starts it all and ends it all."""

    def __init__(self, folder: Path, *, workers: int = 2, settings: Mapping[str, str] = SETTINGS) -> None:
        self.runs = folder / "runs.jsonl"
        # With `everysec` Redis may answer before it has written while an earlier sync is slow.
        self.redis = RedisServer(fsync="always")
        self.rabbit = RabbitServer()
        self.url = ""
        self._folder = folder
        self._settings = settings
        self._count = workers
        self._stack = ExitStack()
        self.gateway: Program
        self.workers: list[Program]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.redis)
            stack.enter_context(self.rabbit)
            stack.callback(self._keep_rabbits_log)
            self._start_programs(stack)
            stack.callback(self._resume)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def programs(self) -> list[Program]:
        return [self.gateway, *self.workers]

    def model_processes(self, worker: int) -> list[psutil.Process]:
        """Those of one worker that are alive."""
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.workers[worker].process.pid).children()
            return [one for one in found if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        return []

    def heal(self) -> None:
        """Let everything go on that was stopped, and start whatever does not run."""
        if self.redis.pid is None:
            self.redis.start()
        if not self.rabbit_runs:
            self.rabbit.start()
        self._resume()
        for program in self.programs:
            if program.process.poll() is not None:
                program.start()

    @property
    def rabbit_runs(self) -> bool:
        with suppress(Exception):
            return psutil.pid_exists(self.rabbit.pid)
        return False

    def delete_lane(self, model: str, lane: int) -> int:
        """Delete a queue as an operator might; answers how many messages waited in it. Raises AMQPError."""
        with Queues.at(self.rabbit.url, *MODELS) as queues:
            return queues.delete(model, lane)

    def settle_queues(self) -> None:
        """Wait until every lane exists, and is written down. Raises NoRabbitMQ if they do not come.

        RabbitMQ 3.10 is late with that, and a queue of which it knows only half when it is killed is useless for good.
        """
        until = time.monotonic() + LANES_PATIENCE
        with Queues.at(self.rabbit.url, *MODELS) as queues:
            while queues.missing():
                if time.monotonic() > until:
                    raise NoRabbitMQ(reason="the lanes are not made again")
                time.sleep(0.1)
        self.rabbit.flush()

    def remains(self, *, quiet: bool) -> Remains:
        """What store and broker hold, and if all is quiet whose messages wait. Raises RedisError or AMQPError."""
        with Records.at(self.redis.url) as records, Queues.at(self.rabbit.url, *MODELS) as queues:
            left = records.left()
            depths = queues.left()
            unfinished = self._unfinished(records, queues) if quiet else []
        return Remains(
            quiet=quiet,
            outstanding=left.outstanding,
            outbox=left.outbox,
            waiting=left.waiting,
            leases=left.leases,
            queues=depths,
            unfinished=unfinished,
        )

    def keep(self, history: History) -> None:
        """Add to the history what the models have written down, and every record of the store."""
        if self.runs.exists():
            for ran in History.read(self.runs).all:
                history.add(ran)
        with Records.at(self.redis.url) as records:
            for kept in records.all():
                history.add(kept)

    def _start_programs(self, stack: ExitStack) -> None:
        (self._folder / "models.py").write_text(MODEL)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = {
            **self._settings,
            "LEVERET_BROKER_URL": self.rabbit.url,
            "LEVERET_STORE_URL": self.redis.url,
            "CHAOS_RUNS": str(self.runs),
        }
        commands = [("gateway", "--port", str(port))] + [
            ("worker", "models.py:square", "models.py:count")
        ] * self._count
        programs = [
            stack.enter_context(Program(*command, folder=self._folder, environment=environment)) for command in commands
        ]
        for program in programs:
            program.wait_ready()
        self.gateway, *self.workers = programs
        self.rabbit.flush()  # RabbitMQ 3.10 itself writes down late that a queue exists

    def _unfinished(self, records: Records, queues: Queues) -> list[str]:
        """Whose messages wait on a rung though they have not ended; why that cannot be known, if it cannot."""
        try:
            return [one for one in queues.on_rungs() if not records.ended(one)]
        except AMQPError as error:
            return [repr(error)]

    def _keep_rabbits_log(self) -> None:
        (self._folder / "rabbitmq.log").write_text(self.rabbit.log)

    def _resume(self) -> None:
        for program in self.programs:
            if program.process.poll() is None:
                program.process.send_signal(signal.SIGCONT)
        for number in range(self._count):
            for process in self.model_processes(number):
                with suppress(psutil.NoSuchProcess):
                    process.resume()
