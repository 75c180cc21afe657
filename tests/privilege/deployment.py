"""A deployment by the book: TLS everywhere, and a user for each role that may do what that needs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final

from redis import Redis

from leveret.backends.rabbitmq import permissions as rabbitmq
from leveret.backends.redis import permissions as redis
from leveret.backends.roles import Duties, Role
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer, free_port
from tests.tls.papers import HOST, Papers

NAMESPACE: Final = "leveret"
MODEL: Final = "local/echo"
PASSWORD: Final = "a-long-secret"
USERS: Final = {
    "gateway": Duties(Role.GATEWAY),
    "worker": Duties(Role.WORKER, (MODEL,)),
    "silent": Duties(Role.WORKER, (MODEL,), replies=False),
    "other": Duties(Role.WORKER, ("local/other",)),
    "producer": Duties(Role.PRODUCER),
    "provision": Duties(Role.PROVISION),
}


class Deployment:
    """The servers, and how each user reaches them."""

    def __init__(self, papers: Papers, rabbit: RabbitServer, store: RedisServer, ports: tuple[int, int]) -> None:
        self.papers = papers
        self.rabbit = rabbit
        self.store = store
        self._ports = ports

    def amqp(self, user: str) -> str:
        return f"amqps://{user}:{PASSWORD}@{HOST}:{self._ports[0]}/"

    def redis(self, user: str) -> str:
        return f"rediss://{user}:{PASSWORD}@{HOST}:{self._ports[1]}/0"

    def environment(self, user: str) -> Mapping[str, str]:
        return {
            "LEVERET_BROKER_URL": self.amqp(user),
            "LEVERET_BROKER_CA": self.papers.ca,
            "LEVERET_STORE_URL": self.redis(user),
            "LEVERET_STORE_CA": self.papers.ca,
        }

    def admin(self) -> Redis:
        """Everything is allowed to whoever comes by the plain port, which only tests have."""
        return Redis.from_url(self.store.url)

    def queues(self) -> str:
        """Every queue with what is in it."""
        return "\n".join(sorted(self.rabbit.ctl("list_queues", "name", "messages", "consumers").splitlines()))


@contextmanager
def deployed(papers: Papers) -> Iterator[Deployment]:
    certificate, ports = papers.sign("server"), (free_port(), free_port())
    settings = [
        f"listeners.ssl.1 = 127.0.0.1:{ports[0]}",
        f"ssl_options.cacertfile = {papers.ca}",
        f"ssl_options.certfile = {certificate}",
        f"ssl_options.keyfile = {papers.key(certificate)}",
        "ssl_options.verify = verify_none",
    ]
    options = {
        "tls-port": str(ports[1]),
        "tls-cert-file": certificate,
        "tls-key-file": papers.key(certificate),
        "tls-ca-cert-file": papers.ca,
        "tls-auth-clients": "no",
        "maxmemory-policy": "noeviction",
    }
    with ExitStack() as stack:
        rabbit = stack.enter_context(RabbitServer(settings=settings))
        store = stack.enter_context(RedisServer(options=options))
        deployment = Deployment(papers, rabbit, store, ports)
        for user, duties in USERS.items():
            _make(deployment, user, duties)
        yield deployment


def _make(deployment: Deployment, user: str, duties: Duties) -> None:
    """Run what `leveret permissions` prints."""
    add, grant = rabbitmq.commands(user, rabbitmq.permissions(duties, namespace=NAMESPACE), vhost="/")
    deployment.rabbit.ctl(*shlex.split(add, comments=True)[1:], PASSWORD)
    deployment.rabbit.ctl(*shlex.split(grant)[1:])
    found = redis.permissions(duties, namespace=NAMESPACE)
    if found is not None:
        for line in redis.commands(user, found, password=PASSWORD):
            with deployment.admin() as admin:
                admin.execute_command(*line.split())
