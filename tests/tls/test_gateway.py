"""The gateway by https, and the clients that ask it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from ssl import SSLContext

import pytest

from leveret.client import AsyncClient, Client
from leveret.config import GatewaySettings
from leveret.errors import CertificateRefused, GatewayUnreachable, InvalidSetting
from leveret.tls import BROKER, GATEWAY, Files, to_clients, to_server
from tests.gateway.served import Gateway, serving
from tests.tls.papers import HOST, Papers

PATIENCE = 20.0
"""Long enough that a client which tries again is found out by the time limit of the test."""


@pytest.fixture
def settings(papers: Papers) -> GatewaySettings:
    certificate = papers.sign("gateway")
    return GatewaySettings(tls_certificate=certificate, tls_key=papers.key(certificate))


@pytest.fixture
async def gateway(tmp_path: Path, settings: GatewaySettings) -> AsyncIterator[Gateway]:
    async with serving(tmp_path, settings=settings) as served:
        yield served


def url(gateway: Gateway, *, host: str = HOST) -> str:
    return f"https://{host}:{gateway.url.rpartition(':')[2]}"


async def test_both_clients_run_a_model_by_https(
    gateway: Gateway, papers: Papers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncClient(url(gateway), ca=papers.ca) as client:
        handle = await client.submit("echo", {"text": "hello"})

        assert ["echo"] == [model.name for model in await client.models()]
    monkeypatch.setenv("LEVERET_CA", papers.ca)
    with Client(url(gateway)) as blocking:
        found = await asyncio.to_thread(blocking.get, handle.id)

    assert found.prediction.urls.get.startswith("https://")


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("expired", "its certificate has expired"),
        ("another host", r"its certificate is for another host"),
        ("no ca", r"set ca to its CA's file"),
        ("another's ca", r"set ca to its CA's file"),
    ],
)
@pytest.mark.timeout(15)
async def test_a_client_fails_at_once_on_a_certificate_that_it_does_not_believe(
    tmp_path: Path, papers: Papers, strangers: Papers, case: str, reason: str
) -> None:
    certificate = papers.sign(
        "odd", "elsewhere.internal" if case == "another host" else HOST, expired=case == "expired"
    )
    ca = {"no ca": None, "another's ca": strangers.ca}.get(case, papers.ca)

    async with serving(tmp_path, settings=GatewaySettings(tls_certificate=certificate)) as gateway:
        async with AsyncClient(url(gateway), patience=PATIENCE, ca=ca) as client:
            with pytest.raises(CertificateRefused, match=reason):
                await client.models()
        with Client(url(gateway), patience=PATIENCE, ca=ca) as blocking, pytest.raises(CertificateRefused):
            await asyncio.to_thread(blocking.models)


@pytest.mark.timeout(15)
async def test_a_gateway_with_a_ca_for_clients_takes_only_those_with_a_certificate_of_it(
    tmp_path: Path, papers: Papers, strangers: Papers, settings: GatewaySettings
) -> None:
    settings = GatewaySettings(
        tls_certificate=settings.tls_certificate, tls_key=settings.tls_key, tls_client_ca=papers.ca
    )
    mine, others = papers.sign("client", "client.internal"), strangers.sign("client", "client.internal")

    async with serving(tmp_path, settings=settings) as gateway:
        async with AsyncClient(url(gateway), ca=papers.ca, certificate=(mine, papers.key(mine))) as client:
            assert 1 == len(await client.models())
        for certificate in (None, others):
            async with AsyncClient(url(gateway), ca=papers.ca, certificate=certificate, patience=0.1) as client:
                with pytest.raises(GatewayUnreachable, match="if it wants a certificate of its clients"):
                    await client.models()


async def test_a_client_by_plain_http_gets_nothing_from_a_gateway_by_https(gateway: Gateway) -> None:
    async with AsyncClient(gateway.url, patience=0.1) as client:
        with pytest.raises(GatewayUnreachable):
            await client.models()


def test_files_of_a_client_that_its_url_would_leave_unused_are_refused(papers: Papers) -> None:
    with pytest.raises(InvalidSetting, match="does not begin with https://"):
        Client("http://localhost:8000", ca=papers.ca)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (Files(names=BROKER, ca="nowhere.pem"), "broker_ca.*nowhere.pem cannot be used as a CA"),
        (Files(names=BROKER, key="key.pem"), "broker_certificate.*it is empty, and broker_key is not"),
        (Files(names=BROKER, certificate="nowhere.pem"), "broker_certificate.*nowhere.pem cannot be used"),
    ],
)
def test_files_that_cannot_be_used_are_refused_with_the_name_of_their_setting(files: Files, reason: str) -> None:
    with pytest.raises(InvalidSetting, match=reason):
        to_server(files)


def test_a_key_that_is_not_the_certificates_is_refused(papers: Papers, strangers: Papers) -> None:
    certificate = papers.sign("mine")
    files = Files(names=GATEWAY, certificate=certificate, key=strangers.key(strangers.sign("theirs")))

    with pytest.raises(InvalidSetting, match=r"gateway\.tls_certificate"):
        to_clients(files)


def test_without_files_a_gateway_speaks_plain_http() -> None:
    assert to_clients(Files(names=GATEWAY)) is None
    assert isinstance(to_server(Files(names=BROKER)), SSLContext)
