from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Sequence
from itertools import chain, repeat
from pathlib import Path

import httpx2
import pytest

from leveret.config import OutboundSettings
from leveret.errors import UrlForbidden
from leveret.outbound import Guard, Lookup, open_client
from tests.outbound.servers import LOOPBACK, receiving


def leading(*answers: Sequence[str]) -> Lookup:
    """A resolver that answers these, one after the other, and the last for ever."""
    rest = chain(answers, repeat(answers[-1]))

    async def lookup(_host: str, _port: int) -> Sequence[str]:
        return next(rest)

    return lookup


async def test_it_connects_to_what_was_checked_and_asks_for_the_host_by_name() -> None:
    guard = Guard(LOOPBACK, lookup=leading(["127.0.0.1"]))
    async with receiving() as receiver, open_client(guard, patience=10) as client:
        answer = await client.get(f"http://hooks.example:{receiver.port}/a?b=c")

    assert (200, b"ok") == (answer.status_code, answer.content)
    assert receiver.heads[0].startswith("GET /a?b=c HTTP/1.1\r\n")
    assert f"host: hooks.example:{receiver.port}\r\n" in receiver.heads[0].lower()


async def test_a_name_that_leads_elsewhere_the_next_time_is_looked_up_once_for_each_request() -> None:
    guard = Guard(LOOPBACK, lookup=leading(["127.0.0.1"], ["127.0.0.2"]))
    async with receiving() as receiver, open_client(guard, patience=10) as client:
        await client.get(f"http://hooks.example:{receiver.port}/")
        with pytest.raises(UrlForbidden):
            await client.get(f"http://hooks.example:{receiver.port}/")

    assert 1 == receiver.connections


async def test_the_next_address_is_tried_when_nobody_listens_at_the_first() -> None:
    settings = OutboundSettings(allow_http=True, allow="127.0.0.0/8")
    guard = Guard(settings, lookup=leading(["127.0.0.9", "127.0.0.1"]))
    async with receiving() as receiver, open_client(guard, patience=10) as client:
        answer = await client.post(f"http://hooks.example:{receiver.port}/", content=b"body")

    assert 200 == answer.status_code


async def test_it_fails_when_nobody_listens_anywhere() -> None:
    guard = Guard(LOOPBACK, lookup=leading(["127.0.0.1"]))
    async with receiving() as receiver:
        port = receiver.port
    async with open_client(guard, patience=10) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"http://hooks.example:{port}/")


async def test_a_redirect_is_an_answer_and_leads_nowhere() -> None:
    guard = Guard(LOOPBACK, lookup=leading(["127.0.0.1"]))
    moved = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    async with receiving(moved) as receiver, open_client(guard, patience=10) as client:
        answer = await client.get(f"http://hooks.example:{receiver.port}/")

    assert (302, 1) == (answer.status_code, len(receiver.heads))


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard(LOOPBACK, lookup=leading(["127.0.0.1"]))
    async with receiving() as receiver, receiving() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        async with open_client(guard, patience=10) as client:
            await client.get(f"http://hooks.example:{receiver.port}/")

    assert (1, 0) == (receiver.connections, proxy.connections)


async def test_a_connection_made_for_one_name_serves_no_other() -> None:
    guard = Guard(LOOPBACK, lookup=leading(["127.0.0.1"]))
    async with receiving() as receiver, open_client(guard, patience=10) as client:
        for name in ("one", "other"):
            await client.get(f"http://{name}.example:{receiver.port}/")

    assert 2 == receiver.connections


async def test_tls_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    certificate, server = certified(tmp_path, "hooks.example")
    guard = Guard(LOOPBACK, lookup=leading(["127.0.0.1"]))
    trusting = ssl.create_default_context(cafile=certificate)
    asked: list[str | None] = []
    server.sni_callback = noting(asked)
    async with receiving(context=server) as receiver, open_client(guard, patience=10, verify=trusting) as client:
        answer = await client.get(f"https://hooks.example:{receiver.port}/")
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(f"https://other.example:{receiver.port}/")

    assert 200 == answer.status_code
    assert ["hooks.example", "other.example"] == asked


def certified(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context


def noting(asked: list[str | None]) -> Callable[[ssl.SSLObject | ssl.SSLSocket, str | None, ssl.SSLContext], None]:
    def note(_socket: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        asked.append(name)

    return note
