"""Permissions: what each role has to be allowed in RabbitMQ, and not more.

The rules stand here once: `leveret permissions` prints them, `leveret doctor` and the tests try them out.
"""

from __future__ import annotations

import re
import shlex
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from leveret.backends.rabbitmq.topology import ERRANDS
from leveret.backends.roles import Duties, Role

DEFAULT_EXCHANGE: Final = "amq.default"
"""What the default exchange is called where permissions are checked."""

_NOTHING: Final = "^$"
_OWN_QUEUES: Final = r"amq\.gen-.*"
"""Queues that the broker names; those of workers and of producers are exclusive, so nobody else gets at them."""


class Permissions(Struct, frozen=True):
    """A pattern of names for each of RabbitMQ's three rights."""

    configure: str
    write: str
    read: str

    def allows(self, right: str, name: str) -> bool:
        """Whether this right (`configure`, `write` or `read`) reaches the thing of that name."""
        pattern: str = getattr(self, right)
        return re.search(pattern, name) is not None


def permissions(duties: Duties, *, namespace: str) -> Permissions:
    """What it needs."""
    exchange = _escaped(namespace)
    if duties.role is Role.PROVISION:
        everything = _only(rf"{exchange}(\..*)?")
        return Permissions(everything, everything, everything)
    if duties.role is Role.PRODUCER:
        return Permissions(_only(_OWN_QUEUES), _only(exchange), _only(_OWN_QUEUES))
    control, retries = rf"{exchange}\.control", rf"{exchange}\.retry\.[0-9]+"
    write, read = [exchange, retries], []
    if duties.accepts:
        # The right to write to lanes reaches no queue: since 4.3.1 one needs some right to see how long it is.
        write += [control, rf"{exchange}\..+\..+\.[0-3]"]
        read += [rf"{exchange}\.{ERRANDS}", rf"{exchange}\.dead"]
    if duties.runs:
        write += [_OWN_QUEUES]
        read += [control, _OWN_QUEUES, *_lanes(exchange, duties.models)]
    if duties.answers:
        write += [_escaped(DEFAULT_EXCHANGE)]
    return Permissions(_only(_OWN_QUEUES) if duties.runs else _NOTHING, _only(*write), _only(*read))


def commands(user: str, found: Permissions, *, vhost: str) -> list[str]:
    """What makes such a user, for a shell on the broker's machine."""
    rights = [found.configure, found.write, found.read]
    return [
        f"rabbitmqctl add_user {shlex.quote(user)}  # asks for the password",
        f"rabbitmqctl set_permissions --vhost {shlex.quote(vhost)} {shlex.join([user, *rights])}",
    ]


def vhost(urls: str) -> str:
    """The virtual host that these URLs name."""
    return unquote(urlsplit(urls.split(",", maxsplit=1)[0].strip()).path.removeprefix("/")) or "/"


def _lanes(exchange: str, models: tuple[str, ...]) -> list[str]:
    if not models:
        return [rf"{exchange}\..+\..+\.[0-3]"]
    keys = [_escaped(model.replace(".", "..").replace("/", ".", 1)) for model in models]
    return [rf"{exchange}\.{key}\.[0-3]" for key in keys]


def _only(*names: str) -> str:
    return f"^({'|'.join(names)})$"


def _escaped(name: str) -> str:
    """As a pattern; names hold nothing else that means something in one."""
    return name.replace(".", r"\.")
