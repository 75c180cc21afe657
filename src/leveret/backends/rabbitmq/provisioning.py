"""Provisioning: makes all exchanges and queues once, so that nobody else needs the right to make any."""

from __future__ import annotations

from collections.abc import Sequence

from pika.exceptions import AMQPError, ChannelClosedByBroker

from leveret.backends.rabbitmq.connection import connect, hosts
from leveret.backends.rabbitmq.declaring import ACCESS_REFUSED, make
from leveret.backends.rabbitmq.topology import Topology
from leveret.errors import BrokerUnavailable, ProvisionRefused
from leveret.tls import NO_BROKER_FILES, Files


async def provision(urls: str, *, namespace: str, models: Sequence[str], files: Files = NO_BROKER_FILES) -> list[str]:
    """Make everything that gateways and workers of these models need; answers the queues. What is there stays.

    Raises InvalidSetting, ProvisionRefused and BrokerUnavailable.
    """
    topology = Topology(namespace)
    for model in models:
        topology.add(model)
    last: Exception | None = None
    for place in hosts(urls, files):
        try:
            async with connect(place, role="provision") as connection:
                await make(connection, topology.exchanges(), topology.routes())
        except ChannelClosedByBroker as error:
            if error.reply_code == ACCESS_REFUSED:
                raise ProvisionRefused(reason=error.reply_text) from error
            raise BrokerUnavailable(reason=str(error)) from error
        except (AMQPError, OSError) as error:
            last = error
        else:
            return sorted(route.queue for route in topology.routes())
    raise BrokerUnavailable(reason=str(last)) from last
