"""`leveret provision`: makes the queues, so that gateways and workers need no right to make any."""

from __future__ import annotations

import asyncio
import os

from leveret import config
from leveret.cli.output import dump, tell
from leveret.cli.permissions import Models, owned
from leveret.cli.remote import Json
from leveret.errors import InvalidSetting


def provision(*, model: Models = None, json: Json = False) -> None:
    """Make what gateways, and workers of these models, need in RabbitMQ; what is there stays."""
    from leveret.backends.rabbitmq.provisioning import provision as made  # noqa: PLC0415 - drivers take long to load

    settings = config.load(environment=os.environ, flags={})
    if not settings.broker_url:
        reason = "there is nothing to provision without a broker: set LEVERET_BROKER_URL"
        raise InvalidSetting(name="broker_url", source="the settings", reason=reason)
    models, files = owned(model), settings.broker_tls
    queues = asyncio.run(made(settings.broker_url, namespace=settings.namespace, models=models, files=files))
    if json:
        dump({"queues": queues})
    else:
        tell("\n".join(["these queues are there, with their exchanges:", *queues]))
