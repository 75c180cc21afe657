"""A gateway behind TLS: a certificate is believed, or nothing is said to whoever shows it."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from leveret import tls
from leveret.backends.gateway.connection import Connector
from leveret.backends.gateway.store import open_store
from leveret.errors import StoreUnavailable
from tests.backends.gateway.conftest import made
from tests.gateway.served import Gateway


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of localhost, with its key beside it."""
    path = tmp_path / "localhost.pem"
    line = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    files = ["-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    command = ["openssl", *line.split(), "-addext", "subjectAltName=DNS:localhost", *files]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.fixture
async def port(gateway: Gateway, certificate: Path) -> AsyncIterator[int]:
    """Where the gateway is behind TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    async with _terminating(gateway.address, context) as port:
        yield port


async def test_a_certificate_that_is_believed_opens_the_way(gateway: Gateway, port: int, certificate: Path) -> None:
    key, files = await made(gateway, "worker:local/echo"), tls.Files(names=tls.STORE, ca=str(certificate))

    async with open_store(Connector(f"https://localhost:{port}", key=key, files=files)) as store:
        assert [] == await store.cards()


@pytest.mark.parametrize(("host", "why"), [("localhost", "set store_ca"), ("127.0.0.1", "is for another host")])
async def test_a_certificate_of_a_stranger_or_of_another_host_is_refused(
    gateway: Gateway, port: int, certificate: Path, host: str, why: str
) -> None:
    ca = "" if host == "localhost" else str(certificate)
    connector = Connector(f"https://{host}:{port}", key="lv_secret", files=tls.Files(names=tls.STORE, ca=ca))
    before = gateway.requests

    async with open_store(connector, patience=0.05) as store:
        with pytest.raises(StoreUnavailable, match=why):
            await store.cards()

    assert before == gateway.requests


@asynccontextmanager
async def _terminating(target: tuple[str, int], context: ssl.SSLContext) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, on = await asyncio.open_connection(*target)
        with suppress(OSError):
            await asyncio.wait(
                [asyncio.ensure_future(_pass(reader, on)), asyncio.ensure_future(_pass(back, writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
        for one in (writer, on):
            one.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
