"""The queues of the broker, as a program without Leveret sees and deletes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pika
from pika.exceptions import ChannelClosedByBroker

from leveret.backends.rabbitmq.topology import Topology
from leveret.core import lanes, retry, wire

NAMESPACE: Final = "leveret"


class Queues:
    """Those of one namespace. Raises AMQPError."""

    def __init__(self, connection: pika.BlockingConnection, models: tuple[str, ...]) -> None:
        self._connection = connection
        self._topology = Topology(NAMESPACE)
        self._models = models

    @classmethod
    @contextmanager
    def at(cls, url: str, *models: str) -> Iterator[Queues]:
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            yield cls(connection, models)

    def delete(self, model: str, lane: int) -> int:
        """Delete a lane as an operator might; answers how many messages waited in it."""
        return int(self._connection.channel().queue_delete(self._topology.queue(model, lane)).method.message_count or 0)

    def missing(self) -> list[str]:
        """The lanes that do not exist."""
        return [name for name in self._lanes() if self._depth(name) is None]

    def left(self) -> dict[str, int]:
        """How much waits in the lanes, on the rungs and among the dead letters, where it is not nothing."""
        counts = {name: self._depth(name) for name in (*self._lanes(), self._topology.dead, *self._rungs())}
        return {name: count for name, count in counts.items() if count}

    def on_rungs(self) -> list[str]:
        """The predictions whose messages wait on a rung; there they stay, as nothing is acknowledged."""
        channel = self._connection.channel()
        found: list[str] = []
        for name in self._rungs():
            while (body := channel.basic_get(name)[2]) is not None:
                found.append(wire.decode(body).id)
        return found

    def _lanes(self) -> list[str]:
        return [self._topology.queue(model, lane) for model in self._models for lane in range(lanes.COUNT)]

    def _rungs(self) -> list[str]:
        return [self._topology.rung(delay) for delay in retry.RUNGS]

    def _depth(self, name: str) -> int | None:
        """How much waits there; None if there is no such queue."""
        channel = self._connection.channel()
        try:
            count = channel.queue_declare(name, passive=True).method.message_count
        except ChannelClosedByBroker:
            return None
        channel.close()
        return int(count or 0)
