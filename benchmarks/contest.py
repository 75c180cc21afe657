"""A contest: who takes part, how each is started, and its processes while it is measured."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
import psutil
from msgspec import Struct

from benchmarks.load import Dialect

ROOT: Final = Path(__file__).parent.parent
ECHO: Final = "benchmarks/contestants/echo.py:echo"
START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 20.0


class Command(Struct, frozen=True):
    """One process of a contestant. With `model` its child processes are counted apart, as the model's.

    Its own `variables` go before those of the contestant.
    """

    role: str
    line: str
    model: bool = False
    variables: Mapping[str, str] = {}


class Contestant(Struct, frozen=True, kw_only=True):
    """Who takes part: its lines and variables may name {port}, {broker}, {store} and {folder}.

    {own} is the folder of this environment's programs, {bench} that of the environment with the others.
    """

    name: str
    title: str
    dialect: Dialect
    variables: Mapping[str, str]
    commands: tuple[Command, ...]


_SERVERS: Final = {"BENCH_BROKER_URL": "{broker}", "BENCH_STORE_URL": "{store}"}
_LEVERET: Final = Dialect(
    submit="/v1/models/local/echo/predictions", status="/v1/predictions/", done='"status":"succeeded"'
)
_BARE: Final = Dialect(submit="/predictions", status="/predictions/", done='"status":"succeeded"')
_FASTAPI: Final = Dialect(submit="/predictions", status="/predictions/", done='"status":"SUCCESS"')
_UVICORN: Final = "-m uvicorn --port {port} --log-level warning --no-access-log benchmarks.contestants."

CONTESTANTS: Final = (
    Contestant(
        name="bare",
        title="bare pipeline",
        dialect=_BARE,
        variables=_SERVERS,
        commands=(
            Command("gateway", "{own}/python " + _UVICORN + "bare_gateway:app"),
            Command("worker", "{own}/python -m benchmarks.contestants.bare_worker"),
        ),
    ),
    Contestant(
        name="leveret",
        title="Leveret on RabbitMQ and Redis",
        dialect=_LEVERET,
        variables={
            "LEVERET_BROKER_URL": "{broker}",
            "LEVERET_STORE_URL": "{store}",
            "LEVERET_DATA_DIR": "{folder}/data",
        },
        commands=(
            Command("gateway", "{own}/leveret gateway --port {port}"),
            Command("worker", "{own}/leveret worker " + ECHO, model=True),
        ),
    ),
    Contestant(
        name="embedded",
        title="Leveret, embedded",
        dialect=_LEVERET,
        variables={"LEVERET_DATA_DIR": "{folder}/data"},
        commands=(Command("gateway", "{own}/leveret serve --port {port} " + ECHO, model=True),),
    ),
    Contestant(
        name="celery",
        title="FastAPI + Celery",
        dialect=_FASTAPI,
        variables=_SERVERS,
        commands=(
            Command("gateway", "{bench}/python " + _UVICORN + "celery_app:api"),
            Command(
                "worker",
                "{bench}/celery -A benchmarks.contestants.celery_app worker"
                " --concurrency 1 --loglevel WARNING --without-gossip --without-mingle",
                model=True,
            ),
        ),
    ),
    Contestant(
        name="taskiq",
        title="FastAPI + taskiq",
        dialect=_FASTAPI,
        variables=_SERVERS,
        commands=(
            Command("gateway", "{bench}/python " + _UVICORN + "taskiq_app:api"),
            Command(
                "worker",
                "{bench}/taskiq worker --workers 1 --log-level WARNING --ack-type when_saved"
                " --max-async-tasks 128 benchmarks.contestants.taskiq_app:broker",
            ),
        ),
    ),
)


def serving(name: str, model: str) -> Contestant:
    """The contestant of this name, but with one of `benchmarks.models`."""
    contestant = next(one for one in CONTESTANTS if one.name == name)
    target = f"benchmarks/models.py:{model}"
    return msgspec.structs.replace(
        contestant,
        dialect=msgspec.structs.replace(contestant.dialect, submit=f"/v1/models/local/{model}/predictions"),
        commands=tuple(
            msgspec.structs.replace(command, line=command.line.replace(ECHO, target)) for command in contestant.commands
        ),
    )


class Contest:
    """The processes of one contestant, from ready to stopped: `with Contest(...) as contest`."""

    def __init__(self, contestant: Contestant, *, broker_url: str, store_url: str, folder: Path) -> None:
        self.contestant = contestant
        self.port = _free_port()
        self.processes: dict[str, psutil.Popen] = {}
        self._folder = folder
        self._words = {
            "own": str(Path(sys.executable).parent),
            "bench": str(ROOT / ".venv-bench" / "bin"),
            "port": str(self.port),
            "broker": broker_url,
            "store": store_url,
            "folder": str(folder),
        }

    def __enter__(self) -> Self:
        try:
            for command in self.contestant.commands:
                self.start(command)
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def start(self, command: Command) -> None:
        """Start one process; what it prints goes to a file."""
        variables = {**self.contestant.variables, **command.variables}
        given = {name: value.format_map(self._words) for name, value in variables.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEVERET_")}
        with self._log(command.role).open("wb") as log:
            self.processes[command.role] = psutil.Popen(
                command.line.format_map(self._words).split(),
                cwd=ROOT,
                env=inherited | given,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def families(self) -> dict[str, list[psutil.Process]]:
        """The processes by role, children included."""
        families: dict[str, list[psutil.Process]] = {}
        for command in self.contestant.commands:
            process = self.processes[command.role]
            children = process.children(recursive=True)
            families[command.role] = [process] if command.model else [process, *children]
            if command.model:
                families["model"] = children
        return families

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self._predicts():
            for role, process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"the {role} of {self.contestant.name} ended:\n{self._tail(role)}")
            if time.monotonic() > deadline:
                logs = "\n".join(self._tail(role) for role in self.processes)
                raise RuntimeError(f"{self.contestant.name} does not answer:\n{logs}")
            time.sleep(0.05)

    def _predicts(self) -> bool:
        """Whether one prediction goes all the way."""
        dialect = self.contestant.dialect
        try:
            created = self._request("POST", dialect.submit, '{"input":{"n":1}}')
            path = dialect.status + str(json.loads(created)["id"])
            deadline = time.monotonic() + START_TIMEOUT
            while dialect.done not in self._request("GET", path):
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return False
        return True

    def _request(self, method: str, path: str, body: str | None = None) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            headers = {"content-type": "application/json", **self.contestant.dialect.headers}
            connection.request(method, path, body, headers)
            return connection.getresponse().read().decode()

    def _stop(self) -> None:
        for process in self.processes.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, alive = psutil.wait_procs(list(self.processes.values()), timeout=STOP_TIMEOUT)
        for survivor in alive:
            os.killpg(survivor.pid, signal.SIGKILL)
            survivor.wait()

    def _log(self, role: str) -> Path:
        return self._folder / f"{self.contestant.name}-{role}.log"

    def _tail(self, role: str) -> str:
        return self._log(role).read_text(errors="replace")[-2000:]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
