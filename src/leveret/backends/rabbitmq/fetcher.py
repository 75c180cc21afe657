"""The fetcher of a model: takes just in time, so that nothing waits in a busy worker while another one is idle."""

from __future__ import annotations

from typing import NoReturn

from pika.exceptions import AMQPError

from leveret.backends.rabbitmq.connection import Connection
from leveret.backends.rabbitmq.inbox import Inbox
from leveret.backends.rabbitmq.intake import Intake
from leveret.backends.rabbitmq.recovery import Presence
from leveret.backends.rabbitmq.topology import Topology
from leveret.core import lanes
from leveret.core.ports import Delivery


class Fetcher:
    """What a consumer takes from just in time, over one channel after the other.

    1. `attempt` opens a channel, and tidies up behind each take,
    2. `take` has the channel's intake fetch what is wanted,
    3. a lost channel ends the attempt, and the take goes on with the next one.
    """

    def __init__(self, inbox: Inbox, *, connections: Presence[Connection], topology: Topology) -> None:
        self._inbox = inbox
        self._connections = connections
        self._topology = topology
        self._rota = lanes.Rota()
        self._intakes: Presence[Intake] = Presence()

    @property
    def arriving(self) -> bool:
        """See core.ports.Deliveries."""
        return self._intakes.value is not None

    async def take(self, most: int) -> list[Delivery]:
        """Between 1 and `most` deliveries, by the weights of the lanes; waits for the first. Safe to cancel."""
        while True:
            intake = await self._intakes.wait()
            try:
                return await intake.take(most)
            except AMQPError:
                await intake.abandoned()

    async def attempt(self) -> NoReturn:
        """Let be taken until the channel is lost. Raises AMQPError."""
        connection = await self._connections.wait()
        async with self._topology.served(connection, self._inbox.model), connection.channel() as channel:
            intake = Intake(
                self._inbox, channel=channel, connection=connection, topology=self._topology, rota=self._rota
            )
            try:
                with self._intakes.present(intake):
                    await intake.tidy()
            finally:
                intake.close()
