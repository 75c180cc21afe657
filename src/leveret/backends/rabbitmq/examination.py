"""The examination of the broker: whether it is there, is new enough, has what it should, and allows what it should."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from pika import URLParameters
from pika.exceptions import AMQPError

from leveret import tls
from leveret.backends import certificates
from leveret.backends.findings import Finding, Level, in_the_clear
from leveret.backends.rabbitmq import declaring, tries
from leveret.backends.rabbitmq.connection import Connection, connect, hosts
from leveret.backends.rabbitmq.declaring import Route
from leveret.backends.rabbitmq.permissions import DEFAULT_EXCHANGE, Permissions, permissions
from leveret.backends.rabbitmq.topology import Topology
from leveret.backends.roles import Duties
from leveret.tls import Files

OLDEST: Final = (3, 10)
"""The first version with quorum queues that expire messages and hand them on at least once."""

_BLIND: Final = "4.3.0"
"""The version that asks for the right to configure what is only looked at."""

_PATIENCE: Final = 60.0
_READING: Final = 5.0
"""Seconds in which a broker that is not blocked reads on."""

_PART: Final = "broker"


async def examine(urls: str, duties: Duties, *, namespace: str, files: Files) -> list[Finding]:
    """What there is to say about it. Raises InvalidSetting."""
    topology, found = Topology(namespace), list[Finding]()
    for model in duties.models:
        topology.add(model)
    for url in urls.split(","):
        found += in_the_clear(_PART, url.strip(), setting="broker_url", scheme="amqps://")
    examined = False
    for place in hosts(urls, files):
        examination = Examination(topology, duties, permissions(duties, namespace=namespace))
        try:
            async with asyncio.timeout(_PATIENCE), connect(place, role="doctor") as connection:
                found.append(_version(place, connection))
                if place.ssl_options is not None:
                    found += await certificates.examine(_PART, place.host, place.port, files)
                if not examined:
                    found += await examination.all(connection)
                    examined = True
        except (AMQPError, OSError, TimeoutError) as error:
            found.append(_away(place, error))
    return found


class Examination:
    """What one user finds on one connection; nothing is changed by it."""

    def __init__(self, topology: Topology, duties: Duties, rights: Permissions) -> None:
        self._topology = topology
        self._duties = duties
        self._rights = rights

    async def all(self, connection: Connection) -> list[Finding]:
        """Everything. Raises AMQPError."""
        missing = await self._missing(connection)
        if missing:
            models = "".join(f" --model {model}" for model in self._duties.models)
            says = f"not there: {', '.join(missing)}"
            return [Finding(_PART, Level.PROBLEM, says, f"run `leveret provision{models}` as a user who may")]
        count = len(self._topology.routes())
        there = Finding(_PART, Level.FINE, f"all {count} queues are there, with their exchanges")
        found = [there, *await self._durability(connection)]
        blocked = await self._blocked(connection)
        return [*found, blocked] if blocked else [*found, *await self._permissions(connection)]

    async def _blocked(self, connection: Connection) -> Finding | None:
        """What it means if it reads no further once it has got a message. Raises AMQPError and TimeoutError."""
        try:
            async with asyncio.timeout(_READING):
                await tries.writes(connection, self._topology.exchange)
        except TimeoutError:
            if not connection.blocked:
                raise
            fix = "make room on its disk or in its memory: `rabbitmqctl status` shows which limit it has reached"
            return Finding(_PART, Level.PROBLEM, f"it takes no messages now: {connection.blocked}", fix)
        return None

    async def _missing(self, connection: Connection) -> list[str]:
        exchanges = await _tried(self._topology.exchanges(), partial(declaring.exchange, connection))
        queues = await _tried([one.queue for one in self._topology.routes()], partial(declaring.queue, connection))
        return sorted({name for seen in (exchanges, queues) for name, there in seen.items() if there is False})

    async def _durability(self, connection: Connection) -> list[Finding]:
        routes: Sequence[Route] = self._topology.routes()
        differing = await asyncio.gather(*[tries.differs(connection, route) for route in routes])
        found = dict(zip([route.queue for route in routes], differing, strict=True))
        if None in found.values():
            says = "whether the queues are quorum queues with the right limits, this user cannot find out"
            return [Finding(_PART, Level.FINE, says, "run the doctor with --role provision and its user")]
        wrong = [f"{queue} ({reason})" for queue, reason in found.items() if reason]
        if not wrong:
            return [Finding(_PART, Level.FINE, "every queue is a quorum queue with the right limits")]
        fix = "let it run empty, delete it, and run `leveret provision`"
        return [Finding(_PART, Level.PROBLEM, f"other than it should be: {reason}", fix) for reason in wrong]

    async def _permissions(self, connection: Connection) -> list[Finding]:
        exchanges, rights = self._topology.exchanges(), self._rights
        write = await _tried(exchanges, partial(tries.writes, connection))
        write[DEFAULT_EXCHANGE] = await tries.writes(connection, "")
        read = await _tried([one.queue for one in self._topology.routes()], partial(tries.reads, connection))
        configure = await _tried(exchanges, lambda name: tries.configures(connection, name, exchanges[name]))
        own = {"amq.gen-x": await tries.owns(connection)} if self._duties.runs else {}
        found = [
            *self._compared("write to", write, {name: rights.allows("write", name) for name in write}),
            *self._compared("read", read, {name: rights.allows("read", name) for name in read}),
            *self._compared("make", configure, {name: rights.allows("configure", name) for name in configure}),
            *self._compared("have queues of its own such as", own, dict.fromkeys(own, True)),
        ]
        return found or [Finding(_PART, Level.FINE, f"its rights are those of the role {self._duties.role}")]

    def _compared(self, what: str, found: Mapping[str, bool | None], wanted: Mapping[str, bool]) -> list[Finding]:
        fix = f"give it what `leveret permissions {self._duties.role}` prints"
        lacks = [name for name, may in found.items() if may is False and wanted[name]]
        extra = [name for name, may in found.items() if may and not wanted[name]]
        findings: list[Finding] = []
        if lacks:
            findings.append(Finding(_PART, Level.PROBLEM, f"this user may not {what}: {', '.join(lacks)}", fix))
        if extra:
            says = f"this user may, without need, {what}: {', '.join(extra)}"
            findings.append(Finding(_PART, Level.WARNING, says, fix))
        return findings


async def _tried(names: Iterable[str], attempt: Callable[[str], Awaitable[bool | None]]) -> dict[str, bool | None]:
    """What comes of it for each name; all at once, on a channel each."""
    listed = list(names)
    return dict(zip(listed, await asyncio.gather(*map(attempt, listed)), strict=True))


def _version(place: URLParameters, connection: Connection) -> Finding:
    version, where = connection.version, f"{place.host}:{place.port}"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        says = f"{where} is RabbitMQ {version or 'of an unknown version'}, and {oldest} is needed"
        return Finding(_PART, Level.PROBLEM, says, f"upgrade it to {oldest} or later")
    if version == _BLIND:
        says = f"{where} is RabbitMQ {version}, where only those see a queue who may make it"
        return Finding(_PART, Level.WARNING, says, "upgrade it to 4.3.1 or later")
    return Finding(_PART, Level.FINE, f"{where} answers: RabbitMQ {version}")


def _away(place: URLParameters, error: BaseException) -> Finding:
    where = f"{place.host}:{place.port}"
    reason = str(error) or f"no answer within {_PATIENCE:g} s"
    fix = "check the address, the user and the password in broker_url, and that RabbitMQ runs there"
    fix = "" if tls.explained(error, tls.BROKER) else fix
    return Finding(_PART, Level.PROBLEM, f"{where} cannot be used: {reason}", fix)
