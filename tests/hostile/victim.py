"""The victim: a whole server in a process of its own, and what a client can do to it that keeps to no rule."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

import httpx2
import psutil
from msgspec import Struct

from tests.system.program import Program, free_port

PATIENCE: Final = 20.0
"""How long a test waits for what must happen, in seconds."""

TOLERANCE: Final = 16 * 1024 * 1024
"""How much larger the server may be after an attack, in bytes: attacks are far larger. It is for what Python's
allocator keeps, and for what of the connections that were cut off waits for the collector of cycles."""

MODELS: Final = """
from collections.abc import Iterator
from leveret import File, model

@model
def echo(text: str) -> str:
    return text

@model
def size(file: File) -> list[str]:
    return [str(len(file.read())), file.name, str(file.path)]

@model
def pour(count: int) -> Iterator[str]:
    for _ in range(count):
        yield "x" * 1000
"""
SETTINGS: Final = {
    "LEVERET_GATEWAY_HEAD_TIMEOUT": "1",
    "LEVERET_GATEWAY_BODY_TIMEOUT": "1",
    "LEVERET_GATEWAY_READING_TIMEOUT": "2",
    "LEVERET_GATEWAY_MAX_CONNECTIONS": "64",
    "LEVERET_GATEWAY_MAX_BODY": "1000000",
    "LEVERET_GATEWAY_MAX_UPLOAD": "50000000",
    "LEVERET_SWEEPER_PERIOD": "600",
    "MALLOC_ARENA_MAX": "1",  # so that what is free is given back at once
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
TARGETS: Final = ("echo", "size", "pour")


class Answer(Struct, frozen=True):
    """What a server has said on a connection: nothing has no status."""

    status: int = 0
    head: str = ""
    body: bytes = b""

    @property
    def code(self) -> str:
        """That of a problem."""
        assert "content-type: application/problem+json" in self.head, self
        return str(json.loads(self.body)["code"])


class Wire:
    """A connection on which anything can be sent."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *data: bytes) -> bool:
        """Whether the server was there for all of it."""
        try:
            for piece in data:
                self.socket.sendall(piece)
        except ConnectionError:
            return False
        return True

    def hear(self) -> bytes:
        """What the server says next: nothing once it has hung up."""
        with suppress(ConnectionError):
            return self.socket.recv(1 << 16)
        return b""

    def read(self) -> bytes:
        """Everything up to the end, which the server must make."""
        found = bytearray()
        while piece := self.hear():
            found += piece
        return bytes(found)

    def answer(self) -> Answer:
        """The only answer, behind which the server has hung up."""
        return answered(self.read())


def answered(data: bytes) -> Answer:
    data = data.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    return Answer(int(head.split(b" ", 2)[1]), head.decode("latin-1"), body) if head else Answer()


class Victim:
    """The server."""

    def __init__(self, program: Program, port: int, folder: Path, *, health_port: int) -> None:
        self.port = port
        self.health_port = health_port
        self.url = f"http://127.0.0.1:{port}"
        self.folder = folder
        self.client = httpx2.Client(
            base_url=self.url, timeout=PATIENCE, limits=httpx2.Limits(max_keepalive_connections=0)
        )
        self.idle_files = 0
        """How many it has open while nobody asks for anything."""
        self._program = program
        self._process = psutil.Process(program.process.pid)

    def wire(self, *, receive_buffer: int | None = None) -> Wire:
        return Wire(self.port, receive_buffer=receive_buffer)

    def exchange(self, *data: bytes) -> Answer:
        """What the server answers to this, as far as it wants to hear it, before it hangs up."""
        with self.wire() as wire:
            wire.send(*data)
            return wire.answer()

    def run(self, name: str, given: object, **headers: str) -> httpx2.Response:
        """The prediction of this model when it has ended."""
        return self.client.post(
            f"/v1/models/local/{name}/predictions", json={"input": given}, headers={"Prefer": "wait=20", **headers}
        )

    @contextmanager
    def poured(self) -> Iterator[str]:
        """A prediction that has streamed 20 MB."""
        created = self.client.post("/v1/models/local/pour/predictions", json={"input": {"count": 20_000}}).json()
        assert 200 == self.client.get(f"/v1/predictions/{created['id']}/events").status_code
        yield str(created["id"])
        assert 204 == self.client.delete(f"/v1/predictions/{created['id']}").status_code

    def files(self) -> int:
        """How many the server has open."""
        return self._process.num_fds()

    def connections(self) -> int:
        """How many clients are connected."""
        found = self._process.net_connections("tcp")
        return len([one for one in found if one.status == psutil.CONN_ESTABLISHED and one.laddr.port == self.port])

    def uploading(self) -> int:
        """How many files there are of uploads that are not complete."""
        kept = (self.folder / ".leveret").rglob(".*")
        return len([path for path in kept if path.is_file()])

    def memory(self) -> int:
        """In bytes; from now on the peak is measured anew."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")
        return int(self._process.memory_info().rss)

    def peak(self) -> int:
        """The most memory since `memory` was asked for."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(peak) * 1024

    def tracebacks(self) -> int:
        """How often something has failed that nobody expected."""
        return self._program.log.count("Traceback (most recent call last)")

    def warm(self) -> None:
        """Ask once for everything, so that what is loaded once and kept is there."""
        assert "succeeded" == self.run("echo", {"text": "hello"}).json()["status"]
        file = self.client.post("/v1/files", files={"content": ("a.txt", b"x" * 1_000_000)}).json()
        assert "succeeded" == self.run("size", {"file": file["urls"]["get"]}).json()["status"]
        assert 200 == self.client.get(file["urls"]["download"]).status_code
        with self.poured() as poured:
            assert "succeeded" == self.client.get(f"/v1/predictions/{poured}").json()["status"]
        assert 200 == self.client.get("/openapi.json").status_code
        assert 422 == self.client.post("/v1/predictions", json={}).status_code
        assert 200 == self.client.get("/health/ready").status_code
        eventually(self.connections, lambda found: not found)
        self.idle_files = self.files()


@contextmanager
def attacked(folder: Path) -> Iterator[Victim]:
    """A server with little patience, all of it in one process but the models."""
    (folder / "models.py").write_text(MODELS)
    port, health_port = free_port(), free_port()
    targets = [f"models.py:{name}" for name in TARGETS]
    ports = ["--port", str(port), "--worker-health-port", str(health_port)]
    with Program("serve", *targets, *ports, folder=folder, environment=SETTINGS) as program:
        program.wait_ready()
        victim = Victim(program, port, folder, health_port=health_port)
        with victim.client:
            victim.warm()
            yield victim


@contextmanager
def unharmed(victim: Victim) -> Iterator[None]:
    """What is done to the server in the block leaves nothing in it: no open file, no memory, no surprise in its log."""
    memory, tracebacks = victim.memory(), victim.tracebacks()
    yield
    assert 200 == victim.client.get("/health/ready").status_code
    eventually(victim.files, lambda found: found <= victim.idle_files)
    eventually(victim.memory, lambda found: found <= memory + TOLERANCE)
    assert tracebacks == victim.tracebacks()


def eventually(look: Callable[[], int], wanted: Callable[[int], bool]) -> int:
    """What `look` finds as soon as it is wanted; the test fails if it never is."""
    until = time.monotonic() + PATIENCE
    while not wanted(found := look()):
        assert time.monotonic() < until, found
        time.sleep(0.02)
    return found


def request(path: str, body: bytes = b"", *headers: str, method: str = "POST", length: int | None = None) -> bytes:
    """A request after which the connection is closed."""
    lines = [f"{method} {path} HTTP/1.1", "Host: hare.localhost", "Connection: close", *headers]
    if not any(line.lower().startswith("transfer-encoding") for line in headers):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
