"""A CA, another one that nobody believes, and servers that speak TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer, free_port
from tests.tls.papers import Papers

Wrap: TypeAlias = Callable[[str, str], AbstractAsyncContextManager[int]]


@pytest.fixture(scope="session")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="session")
def redis(papers: Papers) -> Iterator[tuple[RedisServer, int]]:
    """A Redis that takes TLS with certificates of the CA at this port, and anybody at its own."""
    port, certificate = free_port(), papers.sign("redis")
    options = {
        "tls-port": str(port),
        "tls-cert-file": certificate,
        "tls-key-file": papers.key(certificate),
        "tls-ca-cert-file": papers.ca,
    }
    with RedisServer(options=options) as server:
        yield server, port


@pytest.fixture(scope="session")
def rabbit(papers: Papers) -> Iterator[tuple[RabbitServer, int]]:
    """The same of RabbitMQ."""
    port, certificate = free_port(), papers.sign("rabbit")
    settings = [
        f"listeners.ssl.1 = 127.0.0.1:{port}",
        f"ssl_options.cacertfile = {papers.ca}",
        f"ssl_options.certfile = {certificate}",
        f"ssl_options.keyfile = {papers.key(certificate)}",
        "ssl_options.verify = verify_peer",
        "ssl_options.fail_if_no_peer_cert = true",
    ]
    with RabbitServer(settings=settings) as server:
        yield server, port


@asynccontextmanager
async def wrapped(url: str, certificate: str) -> AsyncIterator[int]:
    """A port at which whoever listens at this URL without TLS is found with it, under this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        inner = await asyncio.open_connection("127.0.0.1", int(url.rpartition("@")[2].partition(":")[2].split("/")[0]))
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(_pump(reader, inner[1]))
                pumps.create_task(_pump(inner[0], writer))
        except* OSError:
            pass
        finally:
            inner[1].close()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
