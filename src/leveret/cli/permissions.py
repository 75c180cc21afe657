"""`leveret permissions`: the users that each role needs in RabbitMQ and in Redis, as the commands that make them."""

from __future__ import annotations

import os
from typing import Annotated, Final, TypeAlias

import typer

from leveret import config
from leveret.backends.roles import Duties, Role
from leveret.cli.output import dump, tell
from leveret.cli.remote import Json

_OWNER: Final = "local"
Models: TypeAlias = Annotated[
    list[str] | None, typer.Option("--model", metavar="OWNER/NAME", help="for this model alone; may be repeated")
]


def permissions(
    role: Annotated[Role, typer.Argument(help="what the user is for")],
    *,
    user: Annotated[str, typer.Option("--user", help="its name; otherwise `leveret-` and the role")] = "",
    model: Models = None,
    json: Json = False,
) -> None:
    """Print what makes a user that may do what its role needs, and no more. Nothing is connected."""
    from leveret.backends.rabbitmq import permissions as rabbitmq  # noqa: PLC0415 - drivers take long to load
    from leveret.backends.redis import permissions as redis  # noqa: PLC0415

    settings = config.load(environment=os.environ, flags={})
    duties, name = Duties(role, owned(model), replies=settings.worker.replies), user or f"leveret-{role}"
    there = rabbitmq.permissions(duties, namespace=settings.namespace)
    behind = settings.store_url.startswith(("https://", "http://"))  # a gateway, and so no Redis
    here = None if behind else redis.permissions(duties, namespace=settings.namespace)
    broker = rabbitmq.commands(name, there, vhost=rabbitmq.vhost(settings.broker_url))
    store = [] if here is None else redis.commands(name, here)
    if json:
        dump({"rabbitmq": broker, "redis": store})
        return
    tell("\n".join(["# in a shell on RabbitMQ's machine", *broker]))
    if store:
        tell("\n".join(["# in redis-cli, with a password of yours in place of PASSWORD", *store]))


def owned(models: list[str] | None) -> tuple[str, ...]:
    """The full names of these models."""
    return tuple(model if "/" in model else f"{_OWNER}/{model}" for model in models or ())
