"""A private RabbitMQ node for tests and benchmarks: own name, ports, folders and epmd, on loopback only.

with RabbitServer() as server:
    async with open_broker(server.url) as broker: ...
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from leveret.errors import UsageError

START_TIMEOUT: Final = 60.0
"""Seconds for the node to take connections; it needs about four on an idle machine."""

_PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"
_SCRIPTS: Final = Path("/usr/lib/rabbitmq/bin")
"""Where Debian keeps the scripts themselves; those in its PATH are a wrapper that insists on changing the user."""

_LOOPBACK: Final = "127.0.0.1"


class NoRabbitMQ(UsageError):
    """RabbitMQ is needed but cannot be run."""

    code = "no_rabbitmq"
    message = "a private RabbitMQ cannot be started: {reason}"


class RabbitServer:
    """One node, started on entering and gone with its folder and its epmd on leaving.

    `settings` are further lines of rabbitmq.conf. A node that stands `beside` another one shares its epmd and
    its cookie, so that the two can form a cluster; it has to be stopped first.
    """

    def __init__(self, *, settings: Sequence[str] = (), beside: RabbitServer | None = None) -> None:
        self.nodename = f"leveret-{secrets.token_hex(4)}@localhost"
        self._settings = settings
        self._beside = beside
        self._cookie: str = beside._cookie if beside else secrets.token_hex(16)
        self._folder: Path | None = None
        self._node: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        with _free_ports(3) as (self.port, self._distribution_port, own_epmd_port):
            self._epmd_port: int = beside._epmd_port if beside else own_epmd_port

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"amqp://guest:guest@{_LOOPBACK}:{self.port}/"

    @property
    def pid(self) -> int:
        """The process id of the running node."""
        return self._running().pid

    @property
    def log(self) -> str:
        """What the node has said, over all its starts."""
        return (self._home / "log" / f"{self.nodename}.log").read_text(errors="replace")

    def start(self) -> None:
        """Start the node, with what it had stored if it has run before; returns when it takes connections."""
        try:
            self._prepare()
            self._start_epmd()
            self._node = self._spawn("rabbitmq-server")
            self._wait_until_ready(self._node)
        except BaseException:
            self.stop()
            raise

    def join(self) -> None:
        """Form a cluster with the node that it stands beside."""
        if self._beside is None:
            raise NoRabbitMQ(reason=f"{self.nodename} does not stand beside another node")
        self.ctl("stop_app")
        self.ctl("join_cluster", self._beside.nodename)
        self.ctl("start_app")

    def flush(self) -> None:
        """Write down which queues there are: RabbitMQ does so up to two seconds late, and a kill before loses them."""
        self.ctl("eval", "[dets:sync(Table) || Table <- dets:all()], catch mnesia:sync_log().")

    def kill(self) -> None:
        """End the node as a power cut would: no chance to finish anything. Its folder stays."""
        _end(self._node)
        self._node = None

    def stop(self) -> None:
        """End the node for good and remove all it has left."""
        self.kill()
        _end(self._epmd)
        self._epmd = None
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` answers for this node."""
        self._running()
        done = subprocess.run(  # noqa: S603 - our own arguments
            [_script("rabbitmqctl"), "--quiet", "--node", self.nodename, *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NoRabbitMQ(reason=f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._node is None:
            raise NoRabbitMQ(reason=f"{self.nodename} is not running; call start() first")
        return self._node

    def _prepare(self) -> None:
        if self._folder is not None:
            return
        self._folder = Path(tempfile.mkdtemp(prefix="leveret-rabbitmq-"))
        cookie = self._folder / ".erlang.cookie"
        cookie.write_text(self._cookie)
        cookie.chmod(0o400)
        (self._folder / "enabled_plugins").write_text("[].\n")
        (self._folder / "environment.conf").touch()
        lines = [f"listeners.tcp.1 = {_LOOPBACK}:{self.port}", "disk_free_limit.absolute = 1MB", *self._settings]
        (self._folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")

    def _start_epmd(self) -> None:
        if self._beside is None and self._epmd is None:
            self._epmd = self._spawn("epmd", "-port", str(self._epmd_port), "-address", _LOOPBACK)
            _await_listener(self._epmd, self._epmd_port)

    def _spawn(self, script: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._home / f"{script}.out").open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own arguments
                [_script(script), *arguments],
                env=self._environment(),
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def _home(self) -> Path:
        if self._folder is None:
            raise NoRabbitMQ(reason=f"{self.nodename} has been stopped for good; make a new one")
        return self._folder

    def _environment(self) -> Mapping[str, str]:
        home = self._home
        loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": _LOOPBACK,
            "RUNNING_UNDER_SYSTEMD": "true",  # makes the script become the node instead of its parent
            "RABBITMQ_NODENAME": self.nodename,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "environment.conf"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": loopback,
            "RABBITMQ_CTL_ERL_ARGS": loopback,
        }

    def _wait_until_ready(self, node: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self._greets():
            if node.poll() is not None:
                raise NoRabbitMQ(reason=f"it ended with {node.returncode}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise NoRabbitMQ(reason=f"no greeting within {START_TIMEOUT} s: {self._last_words()}")
            time.sleep(0.05)

    def _greets(self) -> bool:
        """Whether the node answers the protocol header: it listens a little before it is ready."""
        with suppress(OSError), socket.create_connection((_LOOPBACK, self.port), timeout=1) as client:
            client.sendall(_PROTOCOL_HEADER)
            return len(client.recv(1)) == 1
        return False

    def _last_words(self) -> str:
        """What the node complained about first, or else what it said at all."""
        lines = (self._home / "rabbitmq-server.out").read_text(errors="replace").splitlines()
        errors = [line.partition("[error]")[2].strip() for line in lines if "[error]" in line]
        return "\n".join((errors or lines)[:20])


def _script(name: str) -> str:
    """The path of one of RabbitMQ's or Erlang's programs. Raises NoRabbitMQ."""
    found = shutil.which(name, path=f"{_SCRIPTS}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    if found is None:
        raise NoRabbitMQ(reason=f"there is no program {name!r}; install the package rabbitmq-server")
    return found


@contextmanager
def _free_ports(count: int) -> Iterator[list[int]]:
    """Ports that nobody listens on; all are held at once so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((_LOOPBACK, 0))
        yield [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _await_listener(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        with suppress(OSError), socket.create_connection((_LOOPBACK, port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise NoRabbitMQ(reason=f"epmd does not listen on port {port}")
        time.sleep(0.01)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    """Kill a process together with all that it has started."""
    if process is None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
