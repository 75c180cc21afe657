"""The RabbitMQ that tests share which leave it alone, in a namespace of their own each: one takes seconds to start."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from leveret.testing.rabbitmq_server import RabbitServer

_stack: Final = ExitStack()
_servers: Final[list[RabbitServer]] = []
_namespaces: Final = itertools.count(1)


def a_namespace() -> Mapping[str, str]:
    """The settings of programs that form a deployment; the server of this process is started for the first of them."""
    if not _servers:
        _servers.append(_stack.enter_context(RabbitServer()))
    return {"LEVERET_BROKER_URL": _servers[0].url, "LEVERET_NAMESPACE": f"shared{next(_namespaces)}"}


def stop() -> None:
    """At the end of the process."""
    _servers.clear()
    _stack.close()
