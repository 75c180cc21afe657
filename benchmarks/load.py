"""The load generator: a process of its own that is told phases on its standard input and answers how they went.

Every contestant meets the same visitors: each holds one keep-alive connection, submits a prediction, asks for
it until it is done, and submits the next.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import deque
from typing import Final, Literal

import httptools
import msgspec
import uvloop
from msgspec import Struct

_ID: Final = re.compile(rb'"id":\s*"([^"]+)"')
_TIMEOUT: Final = 120.0


class Dialect(Struct, frozen=True, kw_only=True):
    """How a contestant is spoken to: the path to POST to, the path before an id, what the body of a done one holds.

    And the API key to send, if it asks for one.
    """

    submit: str
    status: str
    done: str
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What every request has."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}


class Phase(Struct, frozen=True, kw_only=True):
    """What to do: `submit` only, `collect` what was submitted, or `predict`, which is both for one after the other."""

    kind: Literal["submit", "collect", "predict"]
    port: int
    dialect: Dialect
    count: int
    connections: int
    poll: float = 0.01


class Tally(Struct, frozen=True, kw_only=True):
    """How it went. `seconds` and `cpu` (of this process) end with the last answer, before the outputs are checked."""

    seconds: float
    cpu: float
    requests: int
    latencies: list[float]
    problem: str = ""


class Visitor(asyncio.Protocol):
    """One connection and the prediction that it is about."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._n = 0
        self._id = b""
        self._began = 0.0
        self._busy = True

    def begin(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._busy:
            self._visit.fail(f"a connection was lost: {exc}")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        status = self._parser.get_status_code()
        if status >= 300:
            self._visit.fail(f"{status} {body.decode(errors='replace')[:500]}")
        elif self._id:
            self._asked(body)
        else:
            self._submitted(body)

    def _next(self) -> None:
        work = self._visit.take()
        if work is None:
            self._busy = False
            return
        self._began = time.perf_counter()
        self._n, self._id = work
        self._transport.write(self._visit.question(self._id) if self._id else self._visit.submission(self._n))

    def _submitted(self, body: bytes) -> None:
        found = _ID.search(body)
        if found is None:
            self._visit.fail(f"no id in {body!r}")
        elif self._visit.polls:
            self._id = found[1]
            asyncio.get_running_loop().call_later(self._visit.poll, self._ask)
        else:
            self._visit.submitted(self._n, found[1], self._began)
            self._next()

    def _ask(self) -> None:
        self._transport.write(self._visit.question(self._id))

    def _asked(self, body: bytes) -> None:
        if self._visit.done in body:
            self._visit.finished(self._n, body, self._began)
            self._next()
        else:
            asyncio.get_running_loop().call_later(self._visit.poll, self._ask)


class Visit:
    """What the visitors of one phase share: the work that is left, and what has come of it."""

    def __init__(self, phase: Phase, work: deque[tuple[int, bytes]]) -> None:
        self.poll = phase.poll
        self.polls = phase.kind != "submit"
        self.done = phase.dialect.done.encode()
        self.ended = asyncio.get_running_loop().create_future()
        self.ids: dict[int, bytes] = {}
        self.bodies: dict[int, bytes] = {}
        self.latencies: list[float] = []
        self.requests = 0
        self._work = work
        self._left = len(work)
        lines = "".join([f"{name}: {value}\r\n" for name, value in phase.dialect.headers.items()])
        head = "host: localhost\r\ncontent-type: application/json\r\n"
        self._post = f"POST {phase.dialect.submit} HTTP/1.1\r\n{head}{lines}".encode()
        self._get = f"GET {phase.dialect.status}".encode()
        self._lines = lines.encode()

    def take(self) -> tuple[int, bytes] | None:
        return self._work.popleft() if self._work else None

    def submission(self, n: int) -> bytes:
        self.requests += 1
        body = b'{"input":{"n":%d}}' % n
        return b"%bcontent-length: %d\r\n\r\n%b" % (self._post, len(body), body)

    def question(self, prediction_id: bytes) -> bytes:
        self.requests += 1
        return b"%b%b HTTP/1.1\r\nhost: localhost\r\n%b\r\n" % (self._get, prediction_id, self._lines)

    def submitted(self, n: int, prediction_id: bytes, began: float) -> None:
        self.ids[n] = prediction_id
        self._count(began)

    def finished(self, n: int, body: bytes, began: float) -> None:
        self.bodies[n] = body
        self._count(began)

    def fail(self, problem: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(RuntimeError(problem))

    def wrong(self) -> list[int]:
        """The inputs whose output is not what the model makes of them."""
        return [n for n, body in self.bodies.items() if msgspec.json.decode(body).get("output") != n]

    def _count(self, began: float) -> None:
        self.latencies.append(time.perf_counter() - began)
        self._left -= 1
        if not self._left and not self.ended.done():
            self.ended.set_result(None)


class Generator:
    """Runs phases, and keeps between them which predictions were submitted but not collected."""

    def __init__(self) -> None:
        self._n = 0
        self._uncollected: dict[int, bytes] = {}

    async def run(self, phase: Phase) -> Tally:
        visit = Visit(phase, self._work(phase))
        loop = asyncio.get_running_loop()
        connections = [
            await loop.create_connection(lambda: Visitor(visit), "127.0.0.1", phase.port)
            for _ in range(phase.connections)
        ]
        began, cpu = time.perf_counter(), time.process_time()
        for transport, visitor in connections:
            visitor.begin(transport)
        try:
            await asyncio.wait_for(visit.ended, _TIMEOUT)
            problem = ""
        except (RuntimeError, TimeoutError) as error:
            problem = f"{phase.kind}: {error!r}"
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        for transport, _ in connections:
            transport.abort()
        self._uncollected.update(visit.ids)
        if wrong := visit.wrong():
            problem = f"{phase.kind}: wrong output for {wrong[:10]}"
        return Tally(seconds=seconds, cpu=cpu, requests=visit.requests, latencies=visit.latencies, problem=problem)

    def _work(self, phase: Phase) -> deque[tuple[int, bytes]]:
        if phase.kind == "collect":
            work, self._uncollected = deque(self._uncollected.items()), {}
            return work
        first, self._n = self._n, self._n + phase.count
        return deque((n, b"") for n in range(first, self._n))


def main() -> None:
    """Run each phase that is given as a line of JSON, and answer its tally as one."""
    generator = Generator()
    decode = msgspec.json.Decoder(Phase).decode
    for line in sys.stdin.buffer:
        tally = uvloop.run(generator.run(decode(line)))
        sys.stdout.buffer.write(msgspec.json.encode(tally) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
