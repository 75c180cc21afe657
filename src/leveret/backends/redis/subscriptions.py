"""Subscriptions: one pub/sub connection for all channels that anybody in this process listens to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import structlog

from leveret.backends.redis.connection import ANSWER_TIMEOUT, LOST, Connection, Connector, Part, Reply, pack, pause
from leveret.errors import StoreUnavailable

PING_EVERY: Final = 15.0
"""Seconds between two tests of whether the connection is alive."""

_log = structlog.get_logger()


class Listener(Protocol):
    """Who listens to a channel."""

    def receive(self, message: bytes) -> None:
        """This was published."""

    def interrupt(self) -> None:
        """Something may have been missed."""


class Channel:
    """A channel while anybody listens to it."""

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.subscribed = asyncio.Event()


class Subscriptions:
    """1. `listen` subscribes with the first listener of a channel and unsubscribes with the last, 2. `run` connects as
    soon as anybody listens and hands out what is published, 3. after a broken connection it interrupts all listeners
    and subscribes to everything again.
    """

    def __init__(self, connector: Connector, *, patience: float) -> None:
        self._connector = connector
        self._patience = patience
        self._channels: dict[bytes, Channel] = {}
        self._outgoing: list[bytes] = []
        self._wanted = asyncio.Event()
        self._unanswered: deque[Channel | None] = deque()
        self._connected = False
        self._closed = False
        self._heard = 0.0

    def __len__(self) -> int:
        """How many channels have a listener."""
        return len(self._channels)

    @contextmanager
    def listen(self, name: bytes, listener: Listener) -> Iterator[Channel]:
        """Let the listener hear the channel; from when on, `subscribed` tells."""
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = Channel()
            self._send(channel, "SUBSCRIBE", name)
        channel.listeners.add(listener)
        try:
            yield channel
        finally:
            channel.listeners.discard(listener)
            if not channel.listeners:
                del self._channels[name]
                self._send(None, "UNSUBSCRIBE", name)

    async def subscribed(self, channel: Channel) -> None:
        """Wait until nothing that is published from now on can be missed. Raises StoreUnavailable."""
        try:
            async with asyncio.timeout(self._patience):
                await channel.subscribed.wait()
        except TimeoutError:
            raise StoreUnavailable(reason="its events cannot be listened to") from None
        if self._closed:
            raise StoreUnavailable(reason="it has been closed")

    async def run(self) -> None:
        """Keep the subscriptions for ever, over one connection after the other."""
        failures = 0
        try:
            await self._wanted.wait()
            while True:
                try:
                    async with self._connector.connect() as connection:
                        failures = 0
                        self._begin()
                        await self._serve(connection)
                except* LOST as errors:
                    _log.debug("the store's events are interrupted", reason=str(errors.exceptions[0]))
                self._interrupt()
                await asyncio.sleep(pause(failures))
                failures += 1
        finally:
            self._close()

    def _begin(self) -> None:
        """Subscribe to everything, on a connection that knows nothing."""
        self._connected = True
        self._heard = asyncio.get_running_loop().time()
        self._outgoing.clear()
        self._unanswered.clear()
        for name, channel in self._channels.items():
            self._send(channel, "SUBSCRIBE", name)

    async def _serve(self, connection: Connection) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(connection))
            tasks.create_task(self._write(connection))
            tasks.create_task(self._ping())

    async def _read(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            answer = await connection.read()
            if isinstance(answer, Exception):
                raise OSError(f"it refuses a subscription: {answer}") from answer
            self._heard = loop.time()
            self._take(answer)

    def _take(self, answer: Reply) -> None:
        match answer:
            case [b"message", bytes(name), bytes(message)]:
                channel = self._channels.get(name)
                if channel is not None:
                    for listener in channel.listeners:
                        listener.receive(message)
            case _:  # the answer to SUBSCRIBE, UNSUBSCRIBE or PING; they come in the order in which those were sent
                answered = self._unanswered.popleft() if self._unanswered else None
                if answered is not None:
                    answered.subscribed.set()

    async def _write(self, connection: Connection) -> None:
        while True:
            self._wanted.clear()
            if not self._outgoing:
                await self._wanted.wait()
            packed, self._outgoing = self._outgoing, []
            await connection.send(packed)

    async def _ping(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < self._heard + PING_EVERY + ANSWER_TIMEOUT:
            await asyncio.sleep(PING_EVERY)
            self._send(None, "PING")
        raise OSError("it has not answered a ping")

    def _send(self, subscribes: Channel | None, *command: Part) -> None:
        """Send the command with the next write; the channel is subscribed when it is answered."""
        self._wanted.set()
        if self._connected:
            self._outgoing.append(pack(command))
            self._unanswered.append(subscribes)

    def _interrupt(self) -> None:
        self._connected = False
        for channel in self._channels.values():
            channel.subscribed.clear()
            for listener in channel.listeners:
                listener.interrupt()

    def _close(self) -> None:
        """Wake everyone who waits, to be told that it has been closed."""
        self._interrupt()
        self._closed = True
        for channel in self._channels.values():
            channel.subscribed.set()
